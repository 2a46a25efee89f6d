-- Fib.hs -- row 6: fib(30), a thread and an MVar at every call; ms.
--
-- Not sparks (`par`): the row is about threads.  A run takes seconds, so by default there is
-- one, after a fib(27) to warm up: it has filled the nursery.  With the nursery of 256 MiB (-A256m) it takes about half as
-- long as with 1 MiB.
module Main (main) where

import Bench
import Control.Concurrent
import Control.Monad

fib :: Int -> IO Int
fib n
  | n < 2 = return n
  | otherwise = do
      answer <- newEmptyMVar
      _ <- forkIO (fib (n - 1) >>= \a -> a `seq` putMVar answer a)
      b <- fib (n - 2)
      a <- takeMVar answer
      return $! a + b

main :: IO ()
main = benchMainRts "-A256m" $ \options -> do
  let runs = option "runs" 1 options
      check n expected = do
        got <- fib n
        when (got /= expected) $ fail ("fib came out as " ++ show got)
  check 27 196418
  best <- minimum <$> replicateM runs (timeNs (check 30 832040))
  report "fib" (best / 1e6) "ms"
