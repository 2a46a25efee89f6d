-- ForkJoin.hs -- row 3: fork a thread that returns at once, and join it, one at a time; ns per
-- pair.
--
-- One MVar, made once, joins them all: GHC has no join of its own.
module Main (main) where

import Bench
import Control.Concurrent
import Control.Monad

forkJoin :: Int -> IO ()
forkJoin pairs = do
  done <- newEmptyMVar
  replicateM_ pairs (forkIO (putMVar done ()) >> takeMVar done)

main :: IO ()
main = benchMain $ \_ -> do
  let pairs = 3000000
  forkJoin (pairs `div` 10)
  ns <- timeNs (forkJoin pairs)
  report "fork_join" (ns / fromIntegral pairs) "ns"
