{-# LANGUAGE ForeignFunctionInterface #-}
-- ForeignCall.hs -- row 29: safe calls of a C function that returns at once (abs) and of one that
-- sleeps for 1 ms.
--
-- A safe call gives its capability away at once, be it short or long.
module Main (main) where

import Bench
import Control.Concurrent
import Control.Monad
import Foreign.C.Types

foreign import ccall safe "stdlib.h abs" doNothing :: CInt -> IO CInt
foreign import ccall safe "unistd.h usleep" blockBriefly :: CUInt -> IO CInt

callTimes :: Int -> IO ()
callTimes 0 = return ()
callTimes n = doNothing 1 >> callTimes (n - 1)

-- | How many us after the begin of a call the other thread ran.
blockOnce :: IO Double
blockOnce = do
  looked <- newEmptyMVar
  _ <- forkIO (clockNs >>= putMVar looked)
  began <- clockNs
  _ <- blockBriefly 1000
  ran <- takeMVar looked
  return (fromIntegral (ran - began) / 1e3)

main :: IO ()
main = benchMain $ \_ -> do
  let calls = 5000000
  callTimes (calls `div` 10)
  ns <- timeNs (callTimes calls)
  report "call" (ns / fromIntegral calls) "ns"
  delays <- replicateM 400 blockOnce
  report "others_p50" (percentile 50 delays) "us"
  report "others_p99" (percentile 99 delays) "us"
