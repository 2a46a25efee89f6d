-- Kill.hs -- row 28: threads that are blocked, each on a thing of its own, are killed one by one;
-- ns per killThread.
module Main (main) where

import Bench
import Control.Concurrent
import Control.Concurrent.STM
import Control.Monad
import GHC.Conc (threadStatus, ThreadStatus (..))

victims :: Int
victims = 4000

-- | Until it waits.
settle :: ThreadId -> IO ()
settle t = do
  status <- threadStatus t
  case status of
    ThreadBlocked _ -> return ()
    _ -> yield >> settle t

killOnce :: IO (IO ()) -> IO Double
killOnce make = do
  threads <- replicateM victims (make >>= forkIO)
  mapM_ settle threads
  timeNs (mapM_ killThread threads)

killMany :: String -> IO (IO ()) -> IO ()
killMany name make = do
  rounds <- replicateM 5 (killOnce make)
  report name (minimum rounds / fromIntegral victims) "ns"

main :: IO ()
main = benchMain $ \_ -> do
  killMany "kill_timer" (return (threadDelay maxBound))
  killMany "kill_mvar" (takeMVar <$> (newEmptyMVar :: IO (MVar ())))
  killMany "kill_tvar" $ do
    v <- newTVarIO False
    return (atomically (readTVar v >>= check))
