//! Rows 8 to 10 and 18 in Tokio: the HTTP server, a task per connection.
//!
//! The multi-threaded runtime with one worker per core, and a listener per worker (SO_REUSEPORT);
//! tasks may be stolen.  Reads and writes go straight to the socket; a task parks when the socket
//! says that it would block.  Requests are looked at as the peers in C do it: where they end, and
//! their first line.
use peers::{argument, builder, cores, run};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::signal::unix::{signal, SignalKind};

const PAGE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 151\r\n\r\n\
    <!DOCTYPE html>\n<title>Capri</title>\n<h1>Capri</h1>\n<p>One green thread for each \
    connection, written as if every call blocked. None of them ever does.\n";
const NOT_FOUND: &[u8] = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";

/// The size of the request at the start of the text; None: its end has not come yet.
fn request_size(text: &[u8]) -> Option<usize> {
    let mut line = 0;
    while let Some(size) = text[line..].iter().position(|&byte| byte == b'\n') {
        if size == 1 && line > 0 && text[line] == b'\r' {
            return Some(line + 2);
        }
        line += size + 1;
    }
    None
}

/// Answers the requests of one connection; pipelined ones that came together, together.
async fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut input = [0; 2048];
    let mut output = Vec::with_capacity(512);
    let mut size = 0;
    while size < input.len() {
        let got = stream.read(&mut input[size..]).await?;
        if got == 0 {
            break;
        }
        size += got;
        let mut at = 0;
        while let Some(taken) = request_size(&input[at..size]) {
            let known = input[at..size].starts_with(b"GET / HTTP/1.1\r\n");
            output.extend_from_slice(if known { PAGE } else { NOT_FOUND });
            at += taken;
        }
        input.copy_within(at..size, 0);
        size -= at;
        if !output.is_empty() {
            stream.write_all(&output).await?;
            output.clear();
        }
    }
    Ok(())
}

async fn accept_all(listener: TcpListener) {
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    }
}

fn listen_on(port: u16) -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    socket.listen(1024)
}

async fn run_server() -> std::io::Result<()> {
    let (port, cores) = (argument("--port", 8080), cores());
    for _ in 0..cores {
        tokio::spawn(accept_all(listen_on(port as u16)?));
    }
    println!("http://127.0.0.1:{}/ on {} cores", port, cores);
    std::io::stdout().flush()?;
    signal(SignalKind::terminate())?.recv().await;
    Ok(())
}

fn main() -> std::io::Result<()> {
    run(&builder(cores()).enable_io().build()?, run_server())
}
