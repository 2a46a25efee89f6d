{-# LANGUAGE MagicHash, UnboxedTuples #-}
-- Bench.hs -- what GHC's programs of the benchmark table share: options, clocks, percentiles.
--
-- The thread of `main` is bound to an OS thread, so that each of its switches is one of the
-- kernel's: every program runs in a thread forked here.
module Bench
  ( Options, option, benchMain, benchMainRts
  , clockNs, cpuNs, timeNs, rateNs, bestMs
  , Counter, newCounter, counterSet, counterDown, nextRandom, microsecond
  , report, percentile, peakRssMiB, rssBytes
  ) where

import Control.Concurrent
import Control.Exception
import Control.Monad
import Data.Bits
import Data.List (sort)
import GHC.Clock (getMonotonicTimeNSec)
import GHC.Exts
import GHC.IO (IO (..))
import GHC.Word (Word64)
import System.CPUTime
import System.Environment
import System.Exit
import System.IO
import System.Posix.Process (executeFile)
import Text.Printf

-- | The command line, as words.
newtype Options = Options [String]

-- | The number after @--name@.
option :: String -> Int -> Options -> Int
option name preset (Options ws) = go ws
  where
    go (w : v : rest) | w == "--" ++ name = read v
                      | otherwise         = go (v : rest)
    go _                                  = preset

-- | Run a program on @--cores@ capabilities in a thread that is not bound.
benchMain :: (Options -> IO ()) -> IO ()
benchMain body = do
  options <- Options <$> getArgs
  setNumCapabilities (option "cores" 1 options)
  end <- newEmptyMVar
  _ <- forkIO (try (body options) >>= putMVar end)
  result <- takeMVar end
  case result of
    Right ()                   -> return ()
    Left e | Just code <- fromException e -> throwIO (code :: ExitCode)
           | otherwise -> do
               name <- getProgName
               hPutStrLn stderr (name ++ ": " ++ displayException e)
               exitWith (ExitFailure 1)

-- | The same with flags for the runtime system.  A flag for the linker in a source file is
-- ignored, so the program starts itself once more with GHCRTS set; who sets GHCRTS decides
-- himself.
benchMainRts :: String -> (Options -> IO ()) -> IO ()
benchMainRts flags body = lookupEnv "GHCRTS" >>= maybe startAgain (const (benchMain body))
  where
    startAgain = do
      setEnv "GHCRTS" flags
      self <- getExecutablePath
      arguments <- getArgs
      executeFile self False arguments Nothing

-- | CLOCK_MONOTONIC.
clockNs :: IO Word64
clockNs = getMonotonicTimeNSec
{-# INLINE clockNs #-}

-- | CPU time of the process.
cpuNs :: IO Word64
cpuNs = (\ps -> fromInteger (ps `div` 1000)) <$> getCPUTime

timeNs :: IO () -> IO Double
timeNs body = do
  begin <- clockNs
  body
  end <- clockNs
  return (fromIntegral (end - begin))

-- | What each of @count@ pieces of work takes in ns: they are done again and again for half a
-- second, however much one time differs from another, after once to warm up.
rateNs :: Int -> (Int -> IO ()) -> IO Double
rateNs count work = work count >> clockNs >>= repeatFrom 1
  where
    repeatFrom :: Int -> Word64 -> IO Double
    repeatFrom times begin = do
      work count
      passed <- subtract begin <$> clockNs
      if passed < 500000000
        then repeatFrom (times + 1) begin
        else return (fromIntegral passed / fromIntegral (times * count))

-- | The best of @runs@ in ms, after one to warm up.
bestMs :: Int -> IO () -> IO Double
bestMs runs body = do
  body
  (/ 1e6) . minimum <$> replicateM runs (timeNs body)

report :: String -> Double -> String -> IO ()
report name value unit = printf "%s %.2f %s\n" name value unit >> hFlush stdout

-- | What lies @perCent@ of the way up.
percentile :: Int -> [Double] -> Double
percentile perCent xs = sort xs !! (length xs * perCent `div` 100)

-- | A step of a linear congruential generator: the next state, whose upper bits are the good
-- ones.
nextRandom :: Word64 -> Word64
nextRandom x = x * 6364136223846793005 + 1442695040888963407
{-# INLINE nextRandom #-}

-- | The moment within a second, in us, that a random number stands for.
microsecond :: Word64 -> Int
microsecond x = fromIntegral (((x `shiftR` 33) * 1000000) `shiftR` 31)
{-# INLINE microsecond #-}

-- | A number that threads count down together.
data Counter = Counter (MutableByteArray# RealWorld)

newCounter :: IO Counter
newCounter = IO $ \s -> case newByteArray# 8# s of (# t, array #) -> (# t, Counter array #)

counterSet :: Counter -> Int -> IO ()
counterSet (Counter array) (I# n) = IO $ \s -> (# writeIntArray# array 0# n s, () #)

-- | Atomically subtract 1, and give the number before.
counterDown :: Counter -> IO Int
counterDown (Counter array) =
  IO $ \s -> case fetchSubIntArray# array 0# 1# s of (# t, n #) -> (# t, I# n #)
{-# INLINE counterDown #-}

-- | VmHWM.
peakRssMiB :: IO Double
peakRssMiB = do
  status <- readFile "/proc/self/status"
  return $! head [read kib / 1024 | ["VmHWM:", kib, _] <- map words (lines status)]

-- | VmRSS.
rssBytes :: IO Int
rssBytes = do
  statm <- readFile "/proc/self/statm"
  return $! read (words statm !! 1) `shiftL` 12
