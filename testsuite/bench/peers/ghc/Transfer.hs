-- Transfer.hs -- row 32: a transaction that reads and writes two variables nobody else uses.
module Main (main) where

import Bench
import Control.Monad
import GHC.Conc

move :: TVar Int -> TVar Int -> STM ()
move from to = do
  a <- readTVar from
  b <- readTVar to
  writeTVar from $! a - 1
  writeTVar to $! b + 1

main :: IO ()
main = benchMain $ \_ -> do
  from <- newTVarIO 0
  to <- newTVarIO 0
  let count = 5000000
  replicateM_ (count `div` 10) (atomically (move from to))
  ns <- timeNs (replicateM_ count (atomically (move from to)))
  report "transfer" (ns / fromIntegral count) "ns"
