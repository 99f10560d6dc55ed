//! The commands with which a person goes on where the demo ended. Pure.

use crate::connection::DEFAULT_SERVER;

/// How the commands reach the service.
pub struct Address {
    /// The flags and address for grpcurl.
    grpcurl_flags: String,
    authority: String,
    /// `purse`, with its flags.
    purse: String,
}

impl Address {
    /// The service at this URL, with a token from the environment or without.
    pub fn new(program: &str, endpoint: &str, has_token: bool) -> Self {
        let (scheme, authority) = endpoint.split_once("://").unwrap_or(("http", endpoint));
        let mut flags = Vec::new();
        if scheme == "http" {
            flags.push("-plaintext".to_owned());
        }
        if has_token {
            flags.push("-H \"authorization: Bearer $PURSE_TOKEN\"".to_owned());
        }
        let purse = if endpoint == DEFAULT_SERVER {
            program.to_owned()
        } else {
            format!("{program} --server {endpoint}")
        };
        Self {
            grpcurl_flags: flags.join(" "),
            authority: authority.trim_end_matches('/').to_owned(),
            purse,
        }
    }

    fn grpcurl(&self, data: Option<&str>, rest: &str) -> String {
        let data = data.map(|data| format!("-d '{data}'"));
        let parts = ["grpcurl", &self.grpcurl_flags, data.as_deref().unwrap_or_default()];
        let parts = parts.into_iter().chain([self.authority.as_str(), rest]);
        parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
    }
}

/// The commands for this account, with a key that nobody has used.
pub fn text(address: &Address, account: &str, fresh_key: &str) -> String {
    let wallet = format!("\"account\": \"{account}\", \"asset\": \"credits\"");
    let spend = format!(
        "{{{wallet}, \"amount\": \"5\", \"operation\": \"completion\", \
         \"idempotency_key\": \"{fresh_key}\"}}"
    );
    let purse = &address.purse;
    let commands = [
        "With grpcurl:\n".to_owned(),
        address.grpcurl(None, "list"),
        address.grpcurl(None, "describe purse.v1.WalletService"),
        address.grpcurl(Some(&format!("{{{wallet}}}")), "purse.v1.WalletService/GetBalance"),
        address.grpcurl(Some(&spend), "purse.v1.WalletService/Spend"),
        "\nOr with purse:\n".to_owned(),
        format!("{purse} balance {account} credits"),
        format!("{purse} spend {account} credits 5 --operation completion"),
        format!("{purse} grants {account} credits"),
        format!("{purse} entries {account} credits --newest --limit 5"),
        format!("{purse} timeline {account} credits"),
    ];
    let indented = commands
        .map(|command| if command.ends_with('\n') { command } else { format!("  {command}") });
    indented.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_reach_the_same_service() {
        let text = text(&Address::new("purse", "http://127.0.0.1:50051", false), "demo:1", "key-1");
        for command in [
            "  grpcurl -plaintext 127.0.0.1:50051 list\n",
            "  grpcurl -plaintext -d '{\"account\": \"demo:1\", \"asset\": \"credits\"}' \
             127.0.0.1:50051 purse.v1.WalletService/GetBalance\n",
            "\"idempotency_key\": \"key-1\"}' 127.0.0.1:50051 purse.v1.WalletService/Spend\n",
            "  purse balance demo:1 credits\n",
        ] {
            assert!(text.contains(command), "{command}\n{text}");
        }
    }

    #[test]
    fn tls_and_token_are_carried_over() {
        let text = text(&Address::new("purse", "https://purse.example/", true), "demo:1", "key-1");
        let list = "  grpcurl -H \"authorization: Bearer $PURSE_TOKEN\" purse.example list\n";
        assert!(text.contains(list), "{text}");
        assert!(text.contains("  purse --server https://purse.example/ balance demo:1 credits\n"));
    }
}
