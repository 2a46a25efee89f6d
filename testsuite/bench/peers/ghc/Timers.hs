{-# LANGUAGE BangPatterns #-}
-- Timers.hs -- row 14: 1,000,000 registerTimeout with random deadlines in one second; ns per
-- timer.
--
-- registerTimeout wants a distance from now.  The second of the deadlines begins after the last
-- is armed: how long arming takes is measured in a first round, which is the warm-up; when that
-- was too short, the round is done again with twice the time.  The callbacks all run in the one
-- thread of the timer manager, so a plain word counts them.
module Main (main) where

import Bench
import Control.Concurrent
import Control.Monad
import Foreign
import GHC.Event

randomOffsetsUs :: Int -> [Int]
randomOffsetsUs count = map microsecond (take count (iterate nextRandom 1))

-- | Arm all, @leadUs@ before the common second; wait until they have fired.  Gives how long
-- arming took and the CPU time of it all, in ns.
fireAll :: TimerManager -> Ptr Int -> Int -> Ptr Int -> Int -> IO (Double, Double)
fireAll manager offsets count unfired leadUs = do
  allFired <- newEmptyMVar
  poke unfired count
  let fire = do
        left <- peek unfired
        poke unfired $! left - 1
        when (left == 1) (putMVar allFired ())
      arm !i !start
        | i == count = return ()
        | otherwise = do
            offset <- peekElemOff offsets i
            now <- clockNs
            let elapsedUs = fromIntegral (now - start) `div` 1000
            _ <- registerTimeout manager (leadUs + offset - elapsedUs) fire
            arm (i + 1) start
  cpuBefore <- cpuNs
  arming <- timeNs (clockNs >>= arm 0)
  takeMVar allFired
  cpuAfter <- cpuNs
  return (arming, fromIntegral (cpuAfter - cpuBefore))

main :: IO ()
main = benchMain $ \options -> do
  let count = option "timers" 1000000 options
  manager <- getSystemTimerManager
  withArray (randomOffsetsUs count) $ \offsets -> alloca $ \unfired -> do
    (warm, _) <- fireAll manager offsets count unfired 1000000
    let go :: Int -> Int -> IO ()
        go 0 _ = fail "timers fall due before the last is armed"
        go tries leadUs = do
          (arming, cpu) <- fireAll manager offsets count unfired leadUs
          if arming >= fromIntegral leadUs * 1e3
            then go (tries - 1) (round (arming / 500))
            else do
              report "timer_arm" (arming / fromIntegral count) "ns"
              report "timer_all" (cpu / fromIntegral count) "ns"
    go 4 (round (warm / 1e3 * 1.5))
