{-# LANGUAGE BangPatterns #-}
-- Map.hs -- row 40: a thread per core uses one map of 65,536 keys at random: a strict IntMap in a
-- TVar, which is what GHC's own libraries offer.
module Main (main) where

import Bench
import Control.Concurrent.MVar
import Control.Monad
import Data.Bits
import qualified Data.IntMap.Strict as IntMap
import GHC.Conc
import GHC.Word (Word64)

type Map = TVar (IntMap.IntMap Int)

keys :: Int
keys = 65536

use :: Map -> Bool -> Int -> Word64 -> Int -> IO Int
use _ _ 0 _ !found = return found
use m mixed n x !found = do
  let y = nextRandom x
      key = fromIntegral (y `shiftR` 48) .&. (keys - 1)
      kind = if mixed then (y `shiftR` 16) .&. 0xffff `mod` 10 else 0
  hit <- case kind of
    8 -> 0 <$ atomically (modifyTVar' m (IntMap.insert key key))
    9 -> 0 <$ atomically (modifyTVar' m (IntMap.delete key))
    _ -> maybe 0 id <$> atomically (IntMap.lookup key <$> readTVar m)
  use m mixed (n - 1) y (found + hit)

modifyTVar' :: TVar a -> (a -> a) -> STM ()
modifyTVar' v f = do
  a <- readTVar v
  writeTVar v $! f a

useAll :: Int -> Map -> Bool -> Int -> IO Double
useAll cores m mixed count = do
  done <- newEmptyMVar
  ns <- timeNs $ do
    forM_ [0 .. cores - 1] $ \i ->
      forkOn i (use m mixed (count `div` cores) (fromIntegral i + 1) 0 >>= putMVar done)
    replicateM_ cores (takeMVar done)
  return (ns / fromIntegral count)

main :: IO ()
main = benchMain $ \options -> do
  let cores = option "cores" 1 options
      count = 1000000
  m <- newTVarIO $! IntMap.fromList [(i, i) | i <- [0, 2 .. keys - 1]]
  _ <- useAll cores m False (count `div` 10)
  useAll cores m False count >>= \ns -> report "map_lookup" ns "ns"
  useAll cores m True count >>= \ns -> report "map_mixed" ns "ns"
