//! Connections to other contexts of the same kubeconfig, for plans that reach over several clusters.

use super::connect::{Connection, Options};
use super::error::ConnectError;

impl Connection {
    /// The connection to a context, opened as this one was, and once. Nobody is asked for a login there.
    ///
    /// # Errors
    /// As [`Connection::open`].
    pub async fn beside(&self, context: &str) -> Result<Connection, ConnectError> {
        if context == self.context() {
            return Ok(self.clone());
        }
        // Held while one is opened: its credential plugin runs once.
        let mut opened = self.others().lock().await;
        if let Some(connection) = opened.get(context) {
            connection.set_read_only(self.read_only());
            return Ok(connection.clone());
        }
        let options = Options {
            context: Some(context.to_owned()),
            namespace: None,
            read_only: self.read_only(),
            interactive: false,
            ..self.options().clone()
        };
        let connection =
            Connection::open_in(options, self.environment().clone(), self.clock().clone()).await?;
        opened.insert(context.to_owned(), connection.clone());
        Ok(connection)
    }
}
