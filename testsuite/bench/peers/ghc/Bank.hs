-- Bank.hs -- rows 33 and 34: a thread per core moves between two of 16 accounts at random; all
-- share the accounts, or each has its own.
module Main (main) where

import Bench
import Control.Concurrent.MVar
import Control.Monad
import Data.Array
import Data.Bits
import GHC.Conc
import GHC.Word (Word64)

accounts :: Int
accounts = 16

move :: TVar Int -> TVar Int -> STM ()
move from to = do
  a <- readTVar from
  b <- readTVar to
  writeTVar from $! a - 1
  writeTVar to $! b + 1

serve :: Array Int (TVar Int) -> Int -> Word64 -> IO ()
serve _ 0 _ = return ()
serve bank n x = do
  let y = nextRandom x
      from = fromIntegral (y `shiftR` 60)
      to = (from + 1 + fromIntegral ((y `shiftR` 33) `mod` 15)) .&. 15
  atomically (move (bank ! from) (bank ! to))
  serve bank (n - 1) y

serveAll :: Int -> [Array Int (TVar Int)] -> Int -> IO Double
serveAll cores banks count = do
  done <- newEmptyMVar
  ns <- timeNs $ do
    forM_ (zip [0 ..] (take cores banks)) $ \(i, bank) ->
      forkOn i (serve bank (count `div` cores) (fromIntegral i + 1) >> putMVar done ())
    replicateM_ cores (takeMVar done)
  return (ns / fromIntegral count)

main :: IO ()
main = benchMain $ \options -> do
  let cores = option "cores" 1 options
      count = 2000000
  banks <- replicateM cores (listArray (0, accounts - 1) <$> replicateM accounts (newTVarIO 0))
  _ <- serveAll cores (repeat (head banks)) (count `div` 10)
  serveAll cores (repeat (head banks)) count >>= \ns -> report "bank" ns "ns"
  serveAll cores banks count >>= \ns -> report "bank_disjoint" ns "ns"
