{-# LANGUAGE BangPatterns #-}
-- Ring.hs -- row 5: 503 threads in a ring of MVars pass a number that counts down; ns per hop.
--
-- On two cores a hop can be a hundred times slower, when the threads are spread over two
-- capabilities that wake each other in turn.
module Main (main) where

import Bench
import Control.Concurrent
import Control.Monad

members :: Int
members = 503

-- | Pass numbers on until one is 0; then tell @done@ and go on, for the next token.
member :: MVar () -> MVar Int -> MVar Int -> IO ()
member done from to = loop
  where
    loop = do
      n <- takeMVar from
      if n == 0 then putMVar done () else let !m = n - 1 in putMVar to m
      loop

main :: IO ()
main = benchMain $ \_ -> do
  done <- newEmptyMVar
  cells <- replicateM members newEmptyMVar
  zipWithM_ (\from to -> forkIO (member done from to)) cells (tail cells ++ [head cells])
  ns <- rateNs 20000 (\hops -> putMVar (head cells) hops >> takeMVar done)
  report "ring" ns "ns"
