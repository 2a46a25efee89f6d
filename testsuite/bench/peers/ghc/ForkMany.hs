-- ForkMany.hs -- row 4: fork 1000 threads that return at once, join them all, again and again;
-- ns per child.
--
-- The children count down one word with fetch-and-subtract; the last one fills the parent's MVar.
-- An MVar per child takes half as long again.
module Main (main) where

import Bench
import Control.Concurrent
import Control.Monad

children :: Int
children = 1000

forkMany :: Counter -> Int -> IO ()
forkMany running rounds = do
  allDone <- newEmptyMVar
  let child = do
        before <- counterDown running
        when (before == 1) (putMVar allDone ())
  replicateM_ rounds $ do
    counterSet running children
    replicateM_ children (forkIO child)
    takeMVar allDone

main :: IO ()
main = benchMain $ \_ -> do
  running <- newCounter
  let rounds = 3000
  forkMany running (rounds `div` 10)
  ns <- timeNs (forkMany running rounds)
  report "fork_many" (ns / fromIntegral (rounds * children)) "ns"
