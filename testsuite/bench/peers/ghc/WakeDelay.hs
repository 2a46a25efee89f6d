-- WakeDelay.hs -- row 12: another OS thread writes to a pipe; how long until the thread that
-- waits for the pipe looks at the clock?  us.
--
-- The reader waits with threadWaitRead (the epoll manager of its capability) and then reads.
-- The writer is this program again, as a process of its own: a thread of the same process that
-- runs Haskell code holds a capability, also when it is bound (forkOS), and while it spins the
-- reader may wait for just that one.  The writer sends its clock through its standard output,
-- and is told of each receipt through its standard input, after the reader's look at the clock;
-- it waits for that only where it spins.
module Main (main) where

import Bench
import Control.Concurrent
import Control.Monad
import Foreign
import Foreign.C
import System.Environment
import System.Posix.IO
import System.Posix.Types
import System.Process

foreign import ccall unsafe "read"   c_read   :: Fd -> Ptr Word64 -> CSize -> IO CSsize
foreign import ccall unsafe "write"  c_write  :: Fd -> Ptr Word64 -> CSize -> IO CSsize
foreign import ccall unsafe "usleep" c_usleep :: CUInt -> IO CInt

warm, idle, spinning :: Int
warm     = 100
idle     = 1500
spinning = 20000

spinUntil :: IO Bool -> IO ()
spinUntil true = true >>= \yes -> unless yes (spinUntil true)

writeClocks :: IO ()
writeClocks = alloca $ \clock -> do
  let send = do
        clockNs >>= poke clock
        throwErrnoIfMinus1_ "write" (c_write stdOutput clock 8)
      awaitReceipt = spinUntil ((== 1) <$> c_read stdInput clock 1)
  setFdOption stdInput NonBlockingRead True
  replicateM_ (warm + idle) (c_usleep 500 >> send)
  replicateM_ (warm + idle) awaitReceipt
  replicateM_ (warm + spinning) $ do
    begin <- clockNs
    spinUntil ((>= begin + 3000) <$> clockNs)
    send
    awaitReceipt

-- | Take @count@ events; their delays in us.
readDelays :: Fd -> Fd -> Int -> IO [Double]
readDelays from to count = alloca $ \clock -> replicateM count $ do
  threadWaitRead from
  n <- c_read from clock 8
  now <- clockNs
  when (n /= 8) $ fail ("read gave " ++ show n)
  throwErrnoIfMinus1_ "write" (c_write to clock 1)
  sent <- peek clock
  return $! fromIntegral (now - sent) / 1e3

startWriter :: IO (Fd, Fd)
startWriter = do
  self <- getExecutablePath
  (Just input, Just output, _, _) <-
    createProcess (proc self ["--writer", "1"]) { std_in = CreatePipe, std_out = CreatePipe }
  from <- handleToFd output
  to <- handleToFd input
  setFdOption from NonBlockingRead True
  return (from, to)

readAll :: IO ()
readAll = do
  (from, to) <- startWriter
  _ <- readDelays from to warm
  late <- readDelays from to idle
  _ <- readDelays from to warm
  awake <- readDelays from to spinning
  report "idle_p50" (percentile 50 late) "us"
  report "idle_p99" (percentile 99 late) "us"
  report "spinning_p50" (percentile 50 awake) "us"

main :: IO ()
main = benchMain $ \options ->
  if option "writer" 0 options == 1 then writeClocks else readAll
