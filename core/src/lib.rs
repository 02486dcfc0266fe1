//! millpond: a decentralised event log for shop floors.
