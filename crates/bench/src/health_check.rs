//! A caller that asks for nothing but an answer: what gRPC alone takes of the machine.
//!
//! A health check touches neither lanes nor the database, and has hardly a message. So this is more than any spends could make.

use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::{
    connection::Connection,
    load::{Caller, Failure},
};

/// Checks whether the server is alive.
#[derive(Debug)]
pub struct HealthChecker(HealthClient<Connection>);

/// Callers that do, as many as are taken, spread evenly over the connections.
pub fn health_checkers(connections: Vec<Connection>) -> impl Iterator<Item = HealthChecker> {
    connections.into_iter().cycle().map(|connection| HealthChecker(HealthClient::new(connection)))
}

impl Caller for HealthChecker {
    async fn call(&mut self) -> Result<(), Failure> {
        self.0.check(HealthCheckRequest::default()).await?;
        Ok(())
    }
}
