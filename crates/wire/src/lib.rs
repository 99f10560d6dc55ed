//! Connections whose writes gather.
//!
//! HTTP/2 carries many calls on one connection, and asks to flush as soon as one of them has said something. But calls
//! come and are answered in dozens: when a batch commits, dozens of tasks are ready, each with an answer. Flushed one by
//! one, each costs a system call, a packet, and a wake-up at the other end, which is more than anything else that it
//! costs. Here a flush first lets those tasks that are ready have their turn, and then writes everything at once, unless
//! much has gathered already. It waits for no time: without other tasks it goes on at once.

use std::{
    error::Error,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::Uri;
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
use tokio::{
    io::{AsyncRead, AsyncWrite, BufWriter, ReadBuf},
    net::TcpStream,
};
use tonic::transport::server::Connected;
use tower::{Service, ServiceExt as _};

/// At so many bytes, some forty answers, nobody else is waited for: a large message goes out as fast as it can.
const ENOUGH_BYTES: usize = 16 * 1_024;
/// No more bytes gather.
const MOST_BYTES: usize = 64 * 1_024;

/// A connection whose writes gather.
#[derive(Debug)]
pub struct Gathered<S> {
    stream: BufWriter<S>,
    /// This flush was asked for before, and has let others go first.
    has_yielded: bool,
}

impl<S: AsyncWrite> Gathered<S> {
    /// Gathers the writes of a connection.
    pub fn new(stream: S) -> Self {
        let stream = BufWriter::with_capacity(MOST_BYTES, stream);
        Self { stream, has_yielded: false }
    }
}

/// Connects clients to `http://` and, below their TLS, to `https://` addresses. Each of the addresses that a name has
/// gets its part of the time.
pub fn connector(
    timeout: Option<Duration>,
) -> impl Service<
    Uri,
    Response = TokioIo<Gathered<TcpStream>>,
    Error = Box<dyn Error + Send + Sync>,
    Future: Send,
> + Clone
+ Send
+ 'static {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    // Without this, calls wait for the acknowledgement of the ones before them.
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(timeout);
    tcp.map_response(|stream| TokioIo::new(Gathered::new(stream.into_inner()))).map_err(Into::into)
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    /// No: HTTP/2 would have each answer flushed, in place of copying it to the others.
    fn is_write_vectored(&self) -> bool {
        false
    }

    /// A task that wakes itself comes behind all that are ready.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let gathers = (1..ENOUGH_BYTES).contains(&self.stream.buffer().len());
        if gathers && !self.has_yielded {
            self.has_yielded = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let flushed = ready!(Pin::new(&mut self.stream).poll_flush(context));
        self.has_yielded = false;
        Poll::Ready(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Gathered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<S: Connected + AsyncWrite> Connected for Gathered<S> {
    type ConnectInfo = S::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.stream.get_ref().connect_info()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::poll_fn,
        sync::{Arc, Mutex},
    };

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// What was written, write by write; takes so many bytes at most in each.
    #[derive(Debug, Clone)]
    struct Sink {
        writes: Arc<Mutex<Vec<Vec<u8>>>>,
        most: usize,
    }

    impl Sink {
        fn new(most: usize) -> Self {
            Self { writes: Arc::default(), most }
        }

        fn writes(&self) -> Vec<Vec<u8>> {
            self.writes.lock().unwrap().clone()
        }
    }

    impl AsyncWrite for Sink {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let taken = bytes.len().min(self.most);
            self.writes.lock().unwrap().push(bytes[..taken].to_vec());
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// As HTTP/2 does it: one task writes what calls have said, and is woken by each that says something.
    async fn writes_of(sink: &Sink, calls: &[&'static str]) {
        let (said, mut to_say) = tokio::sync::mpsc::unbounded_channel::<&'static str>();
        let mut connection = Gathered::new(sink.clone());
        let writer = tokio::spawn(async move {
            let mut has_all = false;
            poll_fn(|context| {
                while let Poll::Ready(next) = to_say.poll_recv(context) {
                    let Some(text) = next else {
                        has_all = true;
                        break;
                    };
                    let written = Pin::new(&mut connection).poll_write(context, text.as_bytes());
                    assert!(matches!(written, Poll::Ready(Ok(bytes)) if bytes == text.len()));
                }
                let flushed = ready!(Pin::new(&mut connection).poll_flush(context));
                if has_all { Poll::Ready(flushed) } else { Poll::Pending }
            })
            .await
        });
        let calls: Vec<_> = calls
            .iter()
            .map(|text| {
                let (said, text) = (said.clone(), *text);
                tokio::spawn(async move { said.send(text).unwrap() })
            })
            .collect();
        drop(said);
        for call in calls {
            call.await.unwrap();
        }
        writer.await.unwrap().unwrap();
    }

    /// On a worker of the runtime, which runs the task that was woken last before all others.
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn what_many_tasks_say_at_one_moment_is_one_write() {
        let sink = Sink::new(usize::MAX);
        let said = sink.clone();
        tokio::spawn(async move { writes_of(&said, &["one", "two", "three"]).await })
            .await
            .unwrap();
        let writes = sink.writes();
        assert_eq!(writes.len(), 1, "{writes:?}");
        assert_eq!(writes[0].len(), "onetwothree".len());
    }

    #[tokio::test]
    async fn all_of_it_is_written_in_order_however_little_the_other_end_takes() {
        let sink = Sink::new(5);
        writes_of(&sink, &["one ", "two ", "three"]).await;
        assert_eq!(sink.writes().concat(), b"one two three");
    }

    #[tokio::test]
    async fn more_than_gathers_is_not_kept_waiting() {
        let sink = Sink::new(usize::MAX);
        let mut connection = Gathered::new(sink.clone());
        let text = vec![7; 3 * MOST_BYTES];
        connection.write_all(&text).await.unwrap();
        assert!(sink.writes().concat().len() >= 2 * MOST_BYTES);
        connection.flush().await.unwrap();
        assert_eq!(sink.writes().concat(), text);
    }

    #[tokio::test]
    async fn closing_writes_what_has_gathered() {
        let sink = Sink::new(usize::MAX);
        let mut connection = Gathered::new(sink.clone());
        connection.write_all(b"goodbye").await.unwrap();
        assert!(sink.writes().is_empty());
        connection.shutdown().await.unwrap();
        assert_eq!(sink.writes(), [b"goodbye"]);
    }

    #[tokio::test]
    async fn what_comes_is_read_while_something_gathers() {
        let (here, mut there) = tokio::io::duplex(64);
        let mut connection = Gathered::new(here);
        there.write_all(b"in").await.unwrap();
        connection.write_all(b"out").await.unwrap();
        let mut read = [0; 2];
        connection.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"in");
        connection.flush().await.unwrap();
        let mut written = [0; 3];
        there.read_exact(&mut written).await.unwrap();
        assert_eq!(&written, b"out");
    }
}
