//! Who is let in: logins as clients do them, what changes while onetag serves, and that no secret gets out.

mod login;
mod reload;
mod secrets;
