-- Blocked.hs -- row 17: 100,000 and then 1,000,000 threads, each blocked on an MVar of its own;
-- bytes of RSS per thread, with its MVar.
--
-- The MVars stay reachable through their list, or the collector would throw
-- BlockedIndefinitelyOnMVar.
module Main (main) where

import Bench
import Control.Concurrent
import Control.Monad
import Foreign.StablePtr
import System.Mem

main :: IO ()
main = benchMain $ \options -> do
  let few = option "few" 100000 options
      many = option "many" 1000000 options
      forkBlocked count = replicateM count $ do
        cell <- newEmptyMVar :: IO (MVar ())
        _ <- forkIO (takeMVar cell)
        return cell
      growth before threads = do
        replicateM_ 10 yield
        after <- rssBytes
        return (fromIntegral (after - before) / fromIntegral threads)
  _ <- forkBlocked 1000 >>= newStablePtr
  performGC
  before <- rssBytes
  _ <- forkBlocked few >>= newStablePtr
  growth before few >>= \b -> report "rss_100k" b "B"
  _ <- forkBlocked (many - few) >>= newStablePtr
  growth before many >>= \b -> report "rss_1m" b "B"
