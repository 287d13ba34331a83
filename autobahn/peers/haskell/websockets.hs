-- Haskell's websockets: websockets server | client URL
{-# LANGUAGE OverloadedStrings #-}
module Main (main) where

import Control.Concurrent (forkIO)
import Control.Exception (SomeException, finally, try)
import Control.Monad (forM_, forever, void)
import qualified Data.ByteString.Lazy.Char8 as Bytes
import qualified Network.Socket as Socket
import qualified Network.WebSockets as WS
import System.Environment (getArgs)
import System.Exit (ExitCode (ExitSuccess))
import System.IO (hFlush, hPutStrLn, stderr, stdout)
import System.Posix.Process (exitImmediately)

options :: WS.ConnectionOptions
options = WS.defaultConnectionOptions
  { WS.connectionCompressionOptions = WS.PermessageDeflateCompression WS.defaultPermessageDeflate
  , WS.connectionStrictUnicode = True
  }

-- Until the connection ends, which is an exception.
answer :: WS.Connection -> IO ()
answer connection = forever (WS.receiveDataMessage connection >>= WS.sendDataMessage connection)

quietly :: IO () -> IO ()
quietly action = do
  ended <- try action
  case ended of
    Left failure -> hPutStrLn stderr (show (failure :: SomeException))
    Right () -> pure ()

serve :: IO ()
serve = do
  listener <- WS.makeListenSocket "127.0.0.1" 0
  port <- Socket.socketPort listener
  putStrLn ("ws://127.0.0.1:" ++ show port ++ "/")
  hFlush stdout
  void (forkIO (getContents >>= \rest -> length rest `seq` exitImmediately ExitSuccess))
  forever $ do
    (socket, _) <- Socket.accept listener
    void . forkIO $
      quietly (WS.makePendingConnection socket options >>= WS.acceptRequest >>= answer) `finally` Socket.close socket

play :: String -> IO ()
play url = do
  told <- visit "/getCaseCount" WS.receiveData
  forM_ [1 .. read (Bytes.unpack told) :: Int] $ \number ->
    quietly (visit ("/runCase?case=" ++ show number ++ "&agent=haskell") answer)
  quietly (visit "/updateReports?agent=haskell" (void . WS.receiveDataMessage))
  where
    (host, rest) = break (== ':') (drop 5 url)
    port = read (takeWhile (`elem` ['0' .. '9']) (drop 1 rest))
    visit :: String -> WS.ClientApp a -> IO a
    visit resource application = WS.runClientWith host port resource options [] application

main :: IO ()
main = do
  arguments <- getArgs
  case arguments of
    ["server"] -> serve
    ["client", url] -> play url
    _ -> fail "websockets server | client URL"
