-- FdSelect.hs -- row 42: waiting for an fd alone, in a transaction, and in one that waits for a
-- time as well; ns per hop.
--
-- As in PipeRing.hs: unsafe foreign calls on non-blocking pipes.  One delay, registered once, serves
-- all selects: each would leave its own behind until it is due.
module Main (main) where

import Bench
import Control.Concurrent.MVar
import Control.Monad
import Foreign
import Foreign.C
import GHC.Conc
import System.Posix.Types

foreign import ccall unsafe "pipe2" c_pipe2 :: Ptr CInt -> CInt -> IO CInt
foreign import ccall unsafe "read"  c_read  :: CInt -> Ptr Word8 -> CSize -> IO CSsize
foreign import ccall unsafe "write" c_write :: CInt -> Ptr Word8 -> CSize -> IO CSsize

newPipe :: IO (CInt, CInt)
newPipe = allocaArray 2 $ \fds -> do
  throwErrnoIfMinus1_ "pipe2" (c_pipe2 fds 0o2004000)   -- O_NONBLOCK | O_CLOEXEC
  (,) <$> peekElemOff fds 0 <*> peekElemOff fds 1

send :: CInt -> Ptr Word8 -> IO ()
send to buffer = throwErrnoIfMinus1_ "write" (c_write to buffer 1)

-- | Read a byte; wait when there is none.
receive :: CInt -> Ptr Word8 -> IO ()
receive from buffer = do
  n <- c_read from buffer 1
  unless (n == 1) (threadWaitRead (Fd from) >> receive from buffer)

plainly :: CInt -> IO ()
plainly _ = pure ()       -- receive waits by itself

waitInside :: CInt -> IO ()
waitInside from = do
  (ready, forget) <- threadWaitReadSTM (Fd from)
  atomically ready
  forget

waitForEither :: TVar Bool -> CInt -> IO ()
waitForEither delay from = do
  (ready, forget) <- threadWaitReadSTM (Fd from)
  atomically (ready `orElse` (readTVar delay >>= \due -> unless due retry))
  forget

play :: (CInt -> IO ()) -> Int -> IO ()
play wait hops = do
  (thereIn, thereOut) <- newPipe
  (backIn, backOut) <- newPipe
  let n = hops `div` 2
  done <- newEmptyMVar
  _ <- forkIO $ allocaBytes 1 $ \buffer -> do
    replicateM_ n (wait thereIn >> receive thereIn buffer >> send backOut buffer)
    putMVar done ()
  allocaBytes 1 $ \buffer ->
    replicateM_ n (send thereOut buffer >> wait backIn >> receive backIn buffer)
  takeMVar done

measure :: String -> (CInt -> IO ()) -> IO ()
measure name wait = do
  let warm = 2000
  warmNs <- timeNs (play wait warm)
  let hops = max 1000 (round (fromIntegral warm * 3e8 / warmNs)) :: Int
  ns <- timeNs (play wait hops)
  report name (ns / fromIntegral hops) "ns"

main :: IO ()
main = benchMainRts "-A16m" $ \_ -> do
  delay <- registerDelay 3600000000
  measure "fd_wait" plainly
  measure "fd_stm" waitInside
  measure "fd_select" (waitForEither delay)
