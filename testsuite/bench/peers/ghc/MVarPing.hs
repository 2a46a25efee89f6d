-- MVarPing.hs -- row 27: two threads, two MVars: each takes from its own and puts into the other's;
-- ns per hop.
module Main (main) where

import Bench
import Control.Concurrent
import Control.Monad

-- | Half of the hops are the peer's.
answer :: MVar () -> MVar () -> Int -> IO ()
answer mine other n = replicateM_ n (takeMVar mine >>= putMVar other)

play :: MVar () -> MVar () -> Int -> IO ()
play mine other hops = do
  let n = hops `div` 2
  done <- newEmptyMVar
  _ <- forkIO (answer other mine n >> putMVar done ())
  replicateM_ n (putMVar other () >> takeMVar mine)
  takeMVar done

main :: IO ()
main = benchMain $ \_ -> do
  mine <- newEmptyMVar
  other <- newEmptyMVar
  let warm = 100000
  warmNs <- timeNs (play mine other warm)
  let hops = max 1000 (round (fromIntegral warm * 5e8 / warmNs))
  ns <- timeNs (play mine other hops)
  report "mvar" (ns / fromIntegral hops) "ns"
