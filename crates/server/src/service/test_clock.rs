//! `purse.testing.v1.TestClockService`.

use std::sync::Arc;

use purse_domain::Timestamp;
use purse_proto::testing::v1::{self, test_clock_service_server::TestClockService};
use purse_storage::Clock as _;
use tonic::{Request, Response, Status};

use crate::{
    auth::{Role, caller},
    clock::TestClock,
    render,
    status::{self, Violation},
};

/// Lets a test say what time it is.
#[derive(Debug, Clone)]
pub struct TestClockControl(pub Arc<TestClock>);

#[tonic::async_trait]
impl TestClockService for TestClockControl {
    async fn get_time(
        &self,
        _: Request<v1::GetTimeRequest>,
    ) -> Result<Response<v1::GetTimeResponse>, Status> {
        let now = Some(render::instant(self.0.now()));
        Ok(Response::new(v1::GetTimeResponse { now }))
    }

    async fn set_time(
        &self,
        request: Request<v1::SetTimeRequest>,
    ) -> Result<Response<v1::SetTimeResponse>, Status> {
        caller(&request, Role::Admin)?;
        let v1::SetTimeRequest { now } = request.into_inner();
        let now = now.ok_or_else(|| invalid("now", "is missing"))?;
        let now = Timestamp::from_parts(now.seconds, now.nanos)
            .map_err(|error| invalid("now", &error.to_string()))?;
        self.0.set(now);
        Ok(Response::new(v1::SetTimeResponse { now: Some(render::instant(now)) }))
    }

    async fn advance_time(
        &self,
        request: Request<v1::AdvanceTimeRequest>,
    ) -> Result<Response<v1::AdvanceTimeResponse>, Status> {
        caller(&request, Role::Admin)?;
        let v1::AdvanceTimeRequest { by } = request.into_inner();
        let by = by.ok_or_else(|| invalid("by", "is missing"))?;
        let micros = by
            .seconds
            .checked_mul(1_000_000)
            .and_then(|micros| micros.checked_add(i64::from(by.nanos / 1_000)))
            .filter(|micros| *micros >= 0)
            .ok_or_else(|| invalid("by", "must not be negative, and must fit"))?;
        let target = self.0.now().plus_micros(micros).parts();
        Timestamp::from_parts(target.0, target.1)
            .map_err(|error| invalid("by", &error.to_string()))?;
        let now = self.0.advance(micros);
        Ok(Response::new(v1::AdvanceTimeResponse { now: Some(render::instant(now)) }))
    }
}

fn invalid(field: &'static str, problem: &str) -> Status {
    status::invalid_fields(&[Violation { field, problem: problem.to_owned() }])
}
