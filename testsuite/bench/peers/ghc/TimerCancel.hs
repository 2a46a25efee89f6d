-- TimerCancel.hs -- row 15: with 1000 timers armed, arm one and cancel it; ns per pair.
--
-- registerTimeout and unregisterTimeout of the system's timer manager.  The first reads the
-- clock: GHC has no timer with an absolute deadline.
module Main (main) where

import Bench
import Control.Monad
import Foreign
import GHC.Event

main :: IO ()
main = benchMain $ \_ -> do
  manager <- getSystemTimerManager
  let hour = 3600000000
      spread x = hour + fromIntegral (x `shiftR` 33)          -- up to 36 minutes more
      distances = 4096 :: Int
      armAndCancel :: Ptr Int -> Int -> IO ()
      armAndCancel _ 0 = return ()
      armAndCancel table n = do
        distance <- peekElemOff table (n .&. (distances - 1))
        key <- registerTimeout manager distance (return ())
        unregisterTimeout manager key
        armAndCancel table (n - 1)
      pairs = 3000000
  withArray (map spread (take distances (iterate nextRandom 1))) $ \table -> do
    forM_ [0 .. 999] $ \i -> do
      distance <- peekElemOff table i
      registerTimeout manager distance (return ())
    armAndCancel table (pairs `div` 10)
    ns <- timeNs (armAndCancel table pairs)
    report "timer_cancel" (ns / fromIntegral pairs) "ns"
