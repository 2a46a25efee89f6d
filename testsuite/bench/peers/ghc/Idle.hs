-- Idle.hs -- row 21: 1000 threads blocked for ever, each on an MVar of its own; prints `ready`
-- and goes on until standard input ends.  Who started it counts its wake-ups and CPU time.
--
-- The MVars stay reachable, or the collection that GHC does 0.3 s after the last thread blocked
-- would throw BlockedIndefinitelyOnMVar.  That collection is also what stops GHC's clock tick.
module Main (main) where

import Bench
import Control.Concurrent
import Control.Monad
import Foreign.StablePtr
import System.IO

main :: IO ()
main = benchMain $ \_ -> do
  cells <- replicateM 1000 newEmptyMVar :: IO [MVar ()]
  _ <- newStablePtr cells
  mapM_ (forkIO . takeMVar) cells
  putStrLn "ready" >> hFlush stdout
  waitForEnd
  where
    waitForEnd = isEOF >>= \end -> unless end (getLine >> waitForEnd)
