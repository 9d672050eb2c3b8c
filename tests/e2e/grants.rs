//! What the upstream let a caller read: how long that holds, and that what one caller is refused is missing for
//! nobody else (threats T3, T21; rule X2).

mod lost;
mod others;
mod times;
mod together;
