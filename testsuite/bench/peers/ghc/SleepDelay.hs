-- SleepDelay.hs -- row 13: a thread sleeps for 100 us, nothing else runs; how late it is, us.
--
-- The timer manager waits with a time-out in whole milliseconds: hence the figure.
module Main (main) where

import Bench
import Control.Concurrent
import Control.Monad

sleepOften :: Int -> IO [Double]
sleepOften count = replicateM count $ do
  ns <- timeNs (threadDelay 100)
  return $! (ns - 100000) / 1e3

main :: IO ()
main = benchMain $ \_ -> do
  _ <- sleepOften 50
  late <- sleepOften 2000
  report "late_p50" (percentile 50 late) "us"
  report "late_p99" (percentile 99 late) "us"
