use std::net::IpAddr;
use std::sync::Arc;
use crate::access::Identity;
pub struct Peer { pub address: IpAddr, pub is_tls: bool, pub identity: Option<Arc<Identity>> }
