-- PipeChain.hs -- row 11: 1000 pipes in a ring, 100 of them hold a byte; one thread per pipe
-- reads a byte and writes it to the next pipe; ns per event.
--
-- read and write are unsafe foreign calls on non-blocking pipes; EAGAIN leads to threadWaitRead,
-- as in the package network.  (To wait first is a tenth faster on one core and twice as slow on
-- two.)  Each thread counts its events in a cache line of its own.  A nursery of 16 MiB leaves
-- fewer of the collections that copy the waiting threads.
module Main (main) where

import Bench
import Control.Concurrent
import Control.Monad
import Foreign
import Foreign.C
import System.Posix.Types

foreign import ccall unsafe "pipe2" c_pipe2 :: Ptr CInt -> CInt -> IO CInt
foreign import ccall unsafe "read"  c_read  :: CInt -> Ptr Word8 -> CSize -> IO CSsize
foreign import ccall unsafe "write" c_write :: CInt -> Ptr Word8 -> CSize -> IO CSsize

pipes, active, line :: Int
pipes  = 1000
active = 100
line   = 8         -- words of a cache line

newPipe :: IO (CInt, CInt)
newPipe = allocaArray 2 $ \fds -> do
  throwErrnoIfMinus1_ "pipe2" (c_pipe2 fds 0o2004000)   -- O_NONBLOCK | O_CLOEXEC
  (,) <$> peekElemOff fds 0 <*> peekElemOff fds 1

passBytes :: CInt -> CInt -> Ptr Int -> IO ()
passBytes from to events = allocaBytes 1 loop
  where
    loop buffer = do
      n <- c_read from buffer 1
      if n == 1
        then do
          peek events >>= \e -> poke events $! e + 1
          throwErrnoIfMinus1_ "write" (c_write to buffer 1)
        else threadWaitRead (Fd from)
      loop buffer

countEvents :: Ptr Int -> IO Int
countEvents counts = sum <$> mapM (peekElemOff counts . (* line)) [0 .. pipes - 1]

main :: IO ()
main = benchMainRts "-A16m" $ \_ -> do
  counts <- callocBytes (pipes * line * 8)
  (ins, outs) <- unzip <$> replicateM pipes newPipe
  let links = zip3 ins (tail outs ++ [head outs]) [advancePtr counts (i * line) | i <- [0 ..]]
  forM_ links $ \(from, to, events) -> forkIO (passBytes from to events)
  forM_ [0, pipes `div` active .. pipes - 1] $ \i ->
    with 0 $ \byte -> throwErrnoIfMinus1_ "write" (c_write (outs !! i) byte 1)
  threadDelay 200000
  before <- countEvents counts
  begin <- clockNs
  threadDelay 600000
  after <- countEvents counts
  end <- clockNs
  report "pipe_chain" (fromIntegral (end - begin) / fromIntegral (after - before)) "ns"
