-- Queue.hs -- row 41: values go through a TBQueue of 1024, one transaction to write, one to read.
module Main (main) where

import Bench
import Control.Concurrent.MVar
import Control.Concurrent.STM.TBQueue
import Control.Monad
import GHC.Conc

type Queue = TBQueue Int

takeOne :: Queue -> Int -> IO ()
takeOne q i = do
  value <- atomically (readTBQueue q)
  when (value /= i) (error "order")

inTurn :: Queue -> Int -> IO ()
inTurn q n = forM_ [1 .. n] $ \i -> atomically (writeTBQueue q i) >> takeOne q i

across :: Queue -> Int -> IO ()
across q n = do
  done <- newEmptyMVar
  _ <- forkOn 1 (forM_ [1 .. n] (takeOne q) >> putMVar done ())
  _ <- forkOn 0 (forM_ [1 .. n] (atomically . writeTBQueue q) >> putMVar done ())
  replicateM_ 2 (takeMVar done)

main :: IO ()
main = benchMain $ \options -> do
  q <- newTBQueueIO 1024
  let pass = if option "cores" 1 options == 1 then inTurn q else across q
      count = 1000000
  pass (count `div` 10)
  ns <- timeNs (pass count)
  report "queue" (ns / fromIntegral count) "ns"
