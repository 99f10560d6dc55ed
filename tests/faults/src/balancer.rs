//! What stands before several servers: each connection goes to the next one that takes it.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A balancer that runs until it is dropped.
#[derive(Debug)]
pub struct Balancer {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Balancer {
    /// Listens on a free port.
    pub async fn start(servers: Vec<SocketAddr>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(async move {
            let mut first = 0;
            while let Ok((client, _)) = listener.accept().await {
                first = (first + 1) % servers.len().max(1);
                let in_turn: Vec<SocketAddr> =
                    servers.iter().cycle().skip(first).take(servers.len()).copied().collect();
                tokio::spawn(forward(client, in_turn));
            }
        });
        Ok(Self { address, accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn forward(mut client: TcpStream, servers: Vec<SocketAddr>) {
    for server in servers {
        if let Ok(mut server) = TcpStream::connect(server).await {
            client.set_nodelay(true).ok();
            server.set_nodelay(true).ok();
            // A connection that is lost is what this is about: the two ends notice.
            copy_bidirectional(&mut client, &mut server).await.ok();
            return;
        }
    }
}
