//! The instruments, named by OpenTelemetry's conventions where there are any.

use std::time::Duration;

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Gauge, Histogram, Meter, MeterProvider as _},
};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::Registry;
use purse_storage::BatchTimings;
use tonic::Code;

use crate::sweeper::Swept;

/// Bounds of time histograms, in seconds: from a cached read to a deadline.
const SECONDS: [f64; 14] =
    [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];
/// Bounds of batch sizes, up to the most that a batch takes.
const SIZES: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// The instruments of one server.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    _provider: SdkMeterProvider,
    call: Histogram<f64>,
    database: Histogram<f64>,
    lane_wait: Histogram<f64>,
    batch_size: Histogram<u64>,
    swept: [Counter<u64>; 4],
    sweep_lag: Gauge<f64>,
    sweep_round: Histogram<f64>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Instruments that are scraped from their own registry.
    pub fn new() -> Self {
        let registry = Registry::new();
        let builder = SdkMeterProvider::builder();
        let exporter = opentelemetry_prometheus::exporter().with_registry(registry.clone()).build();
        let provider = match exporter {
            Ok(reader) => builder.with_reader(reader).build(),
            Err(error) => {
                tracing::error!(%error, "metrics cannot be scraped");
                builder.build()
            }
        };
        let meter = provider.meter("purse");
        Self {
            call: seconds(&meter, "rpc.server.call.duration", "Duration of calls"),
            database: seconds(
                &meter,
                "db.client.operation.duration",
                "Duration of a batch's steps",
            ),
            lane_wait: seconds(&meter, "purse.lane.wait.duration", "Wait before a batch"),
            batch_size: meter
                .u64_histogram("purse.batch.size")
                .with_unit("{request}")
                .with_description("Requests in a batch")
                .with_boundaries(SIZES.to_vec())
                .build(),
            swept: [
                count(&meter, "purse.sweeper.wallets", "{wallet}", "Wallets that were settled"),
                count(&meter, "purse.sweeper.entries", "{entry}", "Entries of settled wallets"),
                count(&meter, "purse.sweeper.events", "{event}", "Events of settled wallets"),
                count(&meter, "purse.sweeper.failures", "{wallet}", "Wallets that were not"),
            ],
            sweep_lag: meter
                .f64_gauge("purse.sweeper.lag")
                .with_unit("s")
                .with_description("For how long the longest due wallet of a round was due")
                .build(),
            sweep_round: seconds(&meter, "purse.sweeper.round.duration", "Duration of rounds"),
            registry,
            _provider: provider,
        }
    }

    /// What a scrape answers.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// A call of `service/method` has been answered.
    pub fn call(&self, method: &str, code: Code, took: Duration) {
        self.call.record(
            took.as_secs_f64(),
            &[
                KeyValue::new("rpc.system.name", "grpc"),
                KeyValue::new("rpc.method", method.to_owned()),
                KeyValue::new("rpc.response.status_code", code_name(code)),
            ],
        );
    }

    /// A request has waited for its batch.
    pub fn lane_wait(&self, waited: Duration) {
        self.lane_wait.record(waited.as_secs_f64(), &[]);
    }

    /// Wallets have been swept.
    pub fn swept(&self, swept: &Swept) {
        let Swept { wallets, entries, events, failed } = *swept;
        for (counter, more) in self.swept.iter().zip([wallets, entries, events, failed]) {
            counter.add(more as u64, &[]);
        }
    }

    /// For how long the longest due wallet of the sweeper's round was due.
    pub fn sweep_lag(&self, lag: Duration) {
        self.sweep_lag.record(lag.as_secs_f64(), &[]);
    }

    /// A sweeper has gone through all that was due.
    pub fn sweep_round(&self, took: Duration) {
        self.sweep_round.record(took.as_secs_f64(), &[]);
    }

    /// A batch has run.
    pub fn batch(&self, size: usize, timings: Option<&BatchTimings>) {
        self.batch_size.record(size as u64, &[]);
        let Some(timings) = timings else { return };
        let steps = [
            ("load", timings.load),
            ("decide", timings.decide.saturating_sub(timings.load)),
            ("write", timings.write.saturating_sub(timings.decide)),
            ("commit", timings.commit.saturating_sub(timings.write)),
        ];
        for (step, took) in steps {
            self.database.record(
                took.as_secs_f64(),
                &[
                    KeyValue::new("db.system.name", "postgresql"),
                    KeyValue::new("db.operation.name", step),
                ],
            );
        }
    }
}

fn count(
    meter: &Meter,
    name: &'static str,
    unit: &'static str,
    description: &'static str,
) -> Counter<u64> {
    meter.u64_counter(name).with_unit(unit).with_description(description).build()
}

fn seconds(meter: &Meter, name: &'static str, description: &'static str) -> Histogram<f64> {
    meter
        .f64_histogram(name)
        .with_unit("s")
        .with_description(description)
        .with_boundaries(SECONDS.to_vec())
        .build()
}

/// The name of a code in gRPC's documents.
pub fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
