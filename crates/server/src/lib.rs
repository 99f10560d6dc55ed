//! Purse over gRPC.
//!
//! Each call takes six hops: proto, a one-line trait method, parse, lane, decide (in the domain, called by
//! storage), reply. Nothing here knows SQL, and no proto type goes deeper than [`parse`].
//!
//! In reading order:
//!
//! * [`dispatch`]: from a call's path to its service; [`service`]: the methods of these, each a line or two;
//! * [`parse`] and [`render`]: proto to domain and back;
//! * [`status`]: the one place that makes a `tonic::Status`;
//! * [`lane`]: where requests gather into batches, as far as its [`backlog`] has room; [`watch`]: where events are
//!   streamed from;
//! * [`sweeper`]: the job that settles wallets that nobody touches;
//! * [`auth`]: from a bearer token to a namespace and roles;
//! * [`page`], [`assets`], [`terms`], [`clock`]: page tokens, scales, prices, time and ids;
//! * [`surround`]: what surrounds every call: [`telemetry`], [`shed`], [`deadline`]; [`health`];
//! * [`server`] and [`node`]: putting it together, starting and stopping it.

pub mod assets;
pub mod auth;
pub mod backlog;
pub mod clock;
pub mod deadline;
pub mod dispatch;
pub mod health;
pub mod lane;
pub mod node;
pub mod page;
pub mod parse;
pub mod render;
pub mod server;
pub mod service;
pub mod shed;
pub mod status;
pub mod subscriptions;
pub mod surround;
pub mod sweeper;
pub mod telemetry;
pub mod terms;
pub mod watch;
