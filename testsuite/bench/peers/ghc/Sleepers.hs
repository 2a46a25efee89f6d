{-# LANGUAGE BangPatterns #-}
-- Sleepers.hs -- row 16: threads that each sleep once until a random moment in a common second;
-- twice; us of CPU time per thread.
--
-- By default 100,000 threads, ten times fewer than the others have: every thread asleep is copied
-- by the collector, so the time for each grows with their number.
-- The common second begins `--lead` ns per thread after the first is forked; a wave that took
-- longer to fork is an error.
module Main (main) where

import Bench
import Control.Concurrent
import Control.Monad

-- | us of CPU time per thread.
runWave :: Counter -> Int -> Int -> IO Double
runWave running threads leadUs = do
  allDone <- newEmptyMVar
  counterSet running threads
  cpuBefore <- cpuNs
  begin <- clockNs
  let startUs = fromIntegral (begin `div` 1000) + leadUs
      sleeper moment = do
        now <- clockNs
        threadDelay (moment - fromIntegral (now `div` 1000))
        left <- counterDown running
        when (left == 1) (putMVar allDone ())
      forkAll !i !random = when (i < threads) $ do
        let !moment = startUs + microsecond random
        _ <- forkIO (sleeper moment)
        forkAll (i + 1) (nextRandom random)
  forkAll (0 :: Int) 1
  end <- clockNs
  when (fromIntegral (end `div` 1000) >= startUs) $
    fail "sleeps end before the last is forked; raise --lead"
  takeMVar allDone
  cpuAfter <- cpuNs
  return (fromIntegral (cpuAfter - cpuBefore) / 1e3 / fromIntegral threads)

main :: IO ()
main = benchMain $ \options -> do
  running <- newCounter
  let threads = option "threads" 100000 options
      leadUs = option "lead" 30000 options * threads `div` 1000
  runWave running threads leadUs >>= \us -> report "cold" us "us"
  runWave running threads leadUs >>= \us -> report "warm" us "us"
