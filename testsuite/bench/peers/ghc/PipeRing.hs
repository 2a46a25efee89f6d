-- PipeRing.hs -- row 26: 1000 pipes, 999 threads that copy, one message of 64 bytes that travels
-- round; ns per hop.
--
-- As in PipeChain.hs: unsafe foreign calls on non-blocking pipes; EAGAIN leads to threadWaitRead.
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

pipes, message, room, warmUpRounds :: Int
pipes        = 1000
message      = 64
room         = 4096     -- who copies does not know how long messages are
warmUpRounds = 20

newPipe :: IO (CInt, CInt)
newPipe = allocaArray 2 $ \fds -> do
  throwErrnoIfMinus1_ "pipe2" (c_pipe2 fds 0o2004000)   -- O_NONBLOCK | O_CLOEXEC
  (,) <$> peekElemOff fds 0 <*> peekElemOff fds 1

receive :: CInt -> Ptr Word8 -> IO CSsize
receive from buffer = do
  n <- c_read from buffer (fromIntegral room)
  if n > 0 then pure n else threadWaitRead (Fd from) >> receive from buffer

send :: CInt -> Ptr Word8 -> CSsize -> IO ()
send to buffer n = throwErrnoIfMinus1_ "write" (c_write to buffer (fromIntegral n))

copyOn :: CInt -> CInt -> IO ()
copyOn from to = allocaBytes room $ \buffer -> forever (receive from buffer >>= send to buffer)

main :: IO ()
main = benchMainRts "-A16m" $ \_ -> do
  (ins, outs) <- unzip <$> replicateM pipes newPipe
  forM_ (zip (init ins) (tail outs)) $ \(from, to) -> forkIO (copyOn from to)
  allocaBytes room $ \buffer -> do
    let goRound = send (head outs) buffer (fromIntegral message) >> receive (last ins) buffer
        measure begin rounds = do
          _ <- goRound
          now <- clockNs
          if now - begin < 500000000
            then measure begin (rounds + 1)
            else pure (fromIntegral (now - begin) / fromIntegral (rounds * (pipes - 1)))
    replicateM_ warmUpRounds goRound
    begin <- clockNs
    perHop <- measure begin (1 :: Int)
    report "pipe_ring" perHop "ns"
