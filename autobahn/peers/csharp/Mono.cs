// The ClientWebSocket of Mono: Mono.exe client URL
using System;
using System.IO;
using System.Net.WebSockets;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

static class Mono {
    // One connection, until it has ended; its first message.
    static async Task<string> Visit(string url, bool echo) {
        string first = null;
        using (var socket = new ClientWebSocket()) {
            await socket.ConnectAsync(new Uri(url), CancellationToken.None);
            var part = new ArraySegment<byte>(new byte[65536]);
            var message = new MemoryStream();
            while (true) {
                var result = await socket.ReceiveAsync(part, CancellationToken.None);
                if (result.MessageType == WebSocketMessageType.Close) {
                    await socket.CloseOutputAsync(result.CloseStatus ?? WebSocketCloseStatus.Empty, result.CloseStatusDescription, CancellationToken.None);
                    return first;
                }
                message.Write(part.Array, 0, result.Count);
                if (!result.EndOfMessage) continue;
                var whole = message.ToArray();
                message.SetLength(0);
                first = first ?? Encoding.UTF8.GetString(whole);
                if (echo) await socket.SendAsync(new ArraySegment<byte>(whole), result.MessageType, true, CancellationToken.None);
            }
        }
    }

    static async Task Play(string url) {
        var count = int.Parse(await Visit(url + "/getCaseCount", false));
        for (var number = 1; number <= count; number++) {
            try {
                await Visit(url + "/runCase?case=" + number + "&agent=mono", true);
            } catch (Exception error) { // many a case ends with one
                Console.Error.WriteLine("case " + number + ": " + error.Message);
            }
        }
        await Visit(url + "/updateReports?agent=mono", false);
    }

    static void Main(string[] arguments) {
        Play(arguments[1].TrimEnd('/')).Wait();
    }
}
