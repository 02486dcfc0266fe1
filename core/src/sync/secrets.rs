//! What changes in all sessions when our node takes other secrets.
//!
//! Rule: a session goes on as long as what its peer proved holds under one of our secrets; who
//! proves nothing of that any more is refused at once. Nobody is asked twice: the proofs that came
//! are kept, and each side tells its own anew. Source: docs/protocol.md, "Messages".

use crate::event::SwarmSecrets;
use crate::sync::io::ConnectionId;
use crate::sync::refusal::{Refusal, RefusalReason};
use crate::sync::swarm::{End, Swarm};

impl Swarm {
    /// Our node takes these secrets now.
    pub(crate) fn on_secrets(&mut self, secrets: SwarmSecrets) {
        let swarm = self.shared.streams.swarm();
        assert!(secrets.swarm_id() == swarm, "a swarm keeps its name");
        self.shared.admission_keys = secrets.admission_keys();
        self.shared.options.secrets = secrets;
        let mut ended: Vec<(ConnectionId, Refusal)> = Vec::new();
        for session in self.sessions.values_mut() {
            if !session.is_admitted() {
                // Our hello said what holds no longer, and a second one cannot be said.
                if session.has_greeted() {
                    ended.push((session.connection, RefusalReason::Removed.into()));
                }
                continue;
            }
            session.proofs_due = true;
            if let Err(refusal) = session.check_proofs(&self.shared) {
                ended.push((session.connection, refusal));
            }
            self.ready.insert(session.connection);
        }
        self.book.secrets_changed(self.shared.now);
        for (connection, refusal) in ended {
            self.end(connection, End::ByUs(refusal));
        }
    }
}
