-- Yield.hs -- row 2: two threads yield to each other; ns per switch.
module Main (main) where

import Bench
import Control.Concurrent
import Control.Monad

yieldBoth :: Int -> IO ()
yieldBoth switches = do
  done <- newEmptyMVar
  let body = yieldTimes (switches `div` 2) >> putMVar done ()
  replicateM_ 2 (forkIO body)
  replicateM_ 2 (takeMVar done)

yieldTimes :: Int -> IO ()
yieldTimes 0 = return ()
yieldTimes n = yield >> yieldTimes (n - 1)

main :: IO ()
main = benchMain $ \_ -> do
  let switches = 10000000
  yieldBoth (switches `div` 10)
  ns <- timeNs (yieldBoth switches)
  report "yield" (ns / fromIntegral switches) "ns"
