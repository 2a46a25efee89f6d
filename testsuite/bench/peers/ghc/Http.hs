{-# LANGUAGE OverloadedStrings #-}
-- Http.hs -- rows 8 to 10 and 18: the HTTP server on GHC's green threads, one per connection.
--
-- Package network: recvBuf into a buffer that the connection keeps (recv would make garbage of 2 KiB
-- for each request) and sendAll; they park the thread in the IO manager when the socket is not ready.  Each capability has a listener of its own (SO_REUSEPORT) and a
-- thread bound to it that accepts; forkIO leaves a connection on the capability that accepted it.
-- Requests are looked at as the peers in C do it: where they end, and their first line.
module Main (main) where

import Bench
import Control.Concurrent
import Control.Exception (SomeException, finally, handle)
import Control.Monad
import qualified Data.ByteString.Char8 as B
import qualified Data.ByteString.Internal as B (fromForeignPtr)
import qualified Data.ByteString.Unsafe as B
import Foreign
import Network.Socket
import Network.Socket.ByteString (sendAll)
import System.IO
import System.Posix.Signals (Handler (Catch), installHandler, sigINT, sigTERM)

page, notFound :: B.ByteString
page =
  "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 151\r\n\r\n\
  \<!DOCTYPE html>\n<title>Capri</title>\n<h1>Capri</h1>\n<p>One green thread for each \
  \connection, written as if every call blocked. None of them ever does.\n"
notFound = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"

-- | The size of the request at the start of the text, if all of it is there.
requestSize :: B.ByteString -> Maybe Int
requestSize text = go 0
  where
    go from = case B.elemIndex '\n' (B.unsafeDrop from text) of
      Nothing -> Nothing
      Just size
        | size == 1 && from > 0 && B.unsafeIndex text from == 13 -> Just (from + 2)
        | otherwise -> go (from + size + 1)

-- | The answers to all whole requests of the text, and what is left of it.
answerRequests :: B.ByteString -> ([B.ByteString], B.ByteString)
answerRequests text = case requestSize text of
  Nothing -> ([], text)
  Just size ->
    let (answers, rest) = answerRequests (B.unsafeDrop size text)
        answer = if "GET / HTTP/1.1\r\n" `B.isPrefixOf` text then page else notFound
     in (answer : answers, rest)

serve :: Socket -> IO ()
serve connection = mallocForeignPtrBytes room >>= go 0
  where
    room = 2048
    go before buffer = do
      got <- withForeignPtr buffer $ \start ->
        recvBuf connection (start `plusPtr` before) (room - before)
      unless (got == 0) $ do
        let (answers, rest) = answerRequests (B.fromForeignPtr buffer 0 (before + got))
        case answers of
          [] -> pure ()
          [answer] -> sendAll connection answer
          _ -> sendAll connection (B.concat answers)
        let after = B.length rest
        when (after > 0) $ B.unsafeUseAsCString rest $ \from ->
          withForeignPtr buffer $ \start -> moveBytes start (castPtr from) after
        when (after < room) (go after buffer)

acceptAll :: Socket -> IO ()
acceptAll listener = forever $ do
  (connection, _) <- accept listener -- TCP_NODELAY is inherited
  forkIO $ handle ignore (serve connection) `finally` close connection
  where
    ignore :: SomeException -> IO ()
    ignore _ = pure ()

listenOn :: PortNumber -> IO Socket
listenOn port = do
  listener <- socket AF_INET Stream defaultProtocol
  forM_ [ReuseAddr, ReusePort, NoDelay] $ \name -> setSocketOption listener name 1
  bind listener (SockAddrInet port (tupleToHostAddress (127, 0, 0, 1)))
  listen listener 1024
  pure listener

main :: IO ()
main = benchMain $ \options -> do
  let port = option "port" 8080 options
      cores = option "cores" 2 options
  listeners <- replicateM cores (listenOn (fromIntegral port))
  zipWithM_ (\core listener -> forkOn core (acceptAll listener)) [0 ..] listeners
  stop <- newEmptyMVar
  forM_ [sigINT, sigTERM] $ \number -> installHandler number (Catch (putMVar stop ())) Nothing
  putStrLn ("http://127.0.0.1:" ++ show port ++ "/ on " ++ show cores ++ " cores")
  hFlush stdout
  takeMVar stop
