//! Logs, traces and metrics.
//!
//! Logs go to standard error. Traces go out over OTLP when the standard `OTEL_EXPORTER_OTLP_*` variables
//! are set; the caller's `traceparent` is the parent. Metrics follow OpenTelemetry's conventions and are
//! scraped from a Prometheus endpoint. No label ever holds an account or a wallet.

mod call;
mod metrics;
mod scrape;
mod seen;

pub use call::CallTrace;
pub use metrics::Metrics;
pub use scrape::serve_metrics;
pub use seen::SeenCall;

use std::{env, io::IsTerminal as _, sync::OnceLock};

use opentelemetry::{global, trace::TracerProvider as _};
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{SdkTracer, SdkTracerProvider},
};
use thiserror::Error;
use tracing_subscriber::{EnvFilter, fmt};

static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// For people.
    Text,
    /// One object a line.
    Json,
}

/// Telemetry could not be set up.
#[derive(Debug, Error)]
#[error("cannot export traces")]
pub struct TelemetryError(#[from] opentelemetry_otlp::ExporterBuildError);

/// Starts logging to standard error; `RUST_LOG` says what, else `level`. A second call does nothing.
pub fn init_logs(format: LogFormat, level: &str) {
    // The SDK reports its own start and end at the level info, and the driver every notice.
    let default = format!("{level},opentelemetry=warn,opentelemetry_sdk=warn,tokio_postgres=warn");
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let text = match format {
        LogFormat::Auto => std::io::stderr().is_terminal(),
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    // An error means that a logger is set already.
    if text {
        builder.with_ansi(std::io::stderr().is_terminal()).try_init().ok();
    } else {
        builder.json().flatten_event(true).try_init().ok();
    }
}

/// Traces on their way out; dropping it after [`Traces::flush`] ends them.
#[derive(Debug)]
pub struct Traces(Option<SdkTracerProvider>);

impl Traces {
    /// Exports traces if the standard variables name an endpoint. Needs a runtime.
    pub fn start() -> Result<Self, TelemetryError> {
        let asked = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"]
            .iter()
            .any(|name| env::var_os(name).is_some_and(|value| !value.is_empty()));
        let disabled = env::var("OTEL_SDK_DISABLED").is_ok_and(|value| value == "true");
        if !asked || disabled {
            return Ok(Self(None));
        }
        let exporter = opentelemetry_otlp::SpanExporter::builder().with_tonic().build()?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource())
            .build();
        global::set_text_map_propagator(TraceContextPropagator::new());
        // Only the first one counts; servers of one process share it.
        TRACER.set(provider.tracer("purse")).ok();
        Ok(Self(Some(provider)))
    }

    /// Sends what is left. Blocks.
    pub fn flush(self) {
        if let Some(provider) = self.0
            && let Err(error) = provider.shutdown()
        {
            tracing::warn!(%error, "not all traces were sent");
        }
    }
}

/// `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` win over these.
fn resource() -> Resource {
    if env::var_os("OTEL_SERVICE_NAME").is_some() {
        Resource::builder().build()
    } else {
        Resource::builder().with_service_name("purse").build()
    }
}

/// The tracer, if traces are exported.
fn tracer() -> Option<&'static SdkTracer> {
    TRACER.get()
}
