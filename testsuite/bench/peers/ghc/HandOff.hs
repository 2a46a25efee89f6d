-- HandOff.hs -- row 35: two threads hand a value over through one variable each, waiting by retry.
module Main (main) where

import Bench
import Control.Concurrent.MVar
import Control.Monad
import GHC.Conc

put :: TVar Bool -> IO ()
put other = atomically (writeTVar other True)

take1 :: TVar Bool -> IO ()
take1 mine = atomically $ do
  full <- readTVar mine
  unless full retry
  writeTVar mine False

play :: Int -> TVar Bool -> TVar Bool -> Int -> IO ()
play core mine other hops = do
  let n = hops `div` 2
  done <- newEmptyMVar
  _ <- forkOn core (replicateM_ n (take1 other >> put mine) >> putMVar done ())
  replicateM_ n (put other >> take1 mine)
  takeMVar done

main :: IO ()
main = benchMain $ \options -> do
  let core = option "cores" 1 options - 1
  mine <- newTVarIO False
  other <- newTVarIO False
  end <- newEmptyMVar
  _ <- forkOn 0 $ do
    let warm = 2000
    warmNs <- timeNs (play core mine other warm)
    let hops = max 1000 (round (fromIntegral warm * 5e8 / warmNs))
    ns <- timeNs (play core mine other hops)
    report "hand_off" (ns / fromIntegral hops) "ns"
    putMVar end ()
  takeMVar end
