{-# LANGUAGE ForeignFunctionInterface #-}
-- ExternalPut.hs -- row 30: an OS thread of C (ExternalPut.c) puts into MVars by hs_try_putmvar.
module Main (main) where

import Bench
import Control.Concurrent
import Control.Monad
import Foreign.StablePtr
import GHC.Conc (PrimMVar, newStablePtrPrimMVar)

foreign import ccall unsafe "boxReady" boxReady :: Int -> StablePtr PrimMVar -> IO ()
foreign import ccall safe "externalPuts" externalPuts :: Int -> IO Double

takeAll :: Int -> IO ()
takeAll i = forever $ do
  box <- newEmptyMVar :: IO (MVar ())
  newStablePtrPrimMVar box >>= boxReady i
  takeMVar box

main :: IO ()
main = benchMain $ \_ -> do
  forM_ [0 .. 63] (forkIO . takeAll)
  idle <- externalPuts 0
  cores <- getNumCapabilities
  busy <- forM [0 .. cores - 1] (`forkOn` forever yield)
  ns <- externalPuts 1
  mapM_ killThread busy
  report "put_busy" ns "ns"
  report "put_idle" (idle / 1000) "us"
