-- MVarPing.hs -- row 27: two threads, two MVars: each takes from its own and puts into the other's;
-- ns per hop.  They run where the scheduler likes, or, with two cores, each on one of its own.
module Main (main) where

import Bench
import Control.Concurrent
import Control.Monad

-- | Half of the hops are the peer's.
answer :: MVar () -> MVar () -> Int -> IO ()
answer mine other n = replicateM_ n (takeMVar mine >>= putMVar other)

play :: (IO () -> IO ThreadId) -> MVar () -> MVar () -> Int -> IO ()
play fork mine other hops = do
  let n = hops `div` 2
  done <- newEmptyMVar
  _ <- fork (answer other mine n >> putMVar done ())
  replicateM_ n (putMVar other () >> takeMVar mine)
  takeMVar done

measure :: String -> (IO () -> IO ThreadId) -> IO ()
measure name fork = do
  mine <- newEmptyMVar
  other <- newEmptyMVar
  ns <- rateNs 5000 (play fork mine other)
  report name ns "ns"

main :: IO ()
main = benchMain $ \options -> do
  measure "mvar" forkIO
  when (option "cores" 1 options > 1) $ do
    end <- newEmptyMVar
    _ <- forkOn 0 (measure "mvar_apart" (forkOn 1) >> putMVar end ())
    takeMVar end
