-- Skynet.hs -- row 7: a tree of threads, ten children each, 1,000,000 leaves; ms, and the peak
-- RSS.
--
-- Every child answers in an MVar of its own.  A nursery of 256 MiB (-A256m) halves the time that
-- 1 MiB takes, since fewer of the waiting threads are copied, at about the same peak.
module Main (main) where

import Bench
import Control.Concurrent
import Control.Monad

leaves :: Int
leaves = 1000000

skynet :: Int -> Int -> MVar Int -> IO ()
skynet number 1 answer = putMVar answer $! number
skynet number size answer = do
  let part = size `div` 10
  answers <- forM [0 .. 9] $ \i -> do
    child <- newEmptyMVar
    _ <- forkIO (skynet (number + i * part) part child)
    return child
  total <- foldM (\acc child -> (acc +) <$> takeMVar child) 0 answers
  putMVar answer $! total

main :: IO ()
main = benchMainRts "-A256m" $ \options -> do
  best <- bestMs (option "runs" 1 options) $ do
    answer <- newEmptyMVar
    skynet 0 leaves answer
    total <- takeMVar answer
    when (total /= leaves * (leaves - 1) `div` 2) $ fail ("the sum came out as " ++ show total)
  report "skynet" best "ms"
  peak <- peakRssMiB
  report "skynet_rss" peak "MiB"
