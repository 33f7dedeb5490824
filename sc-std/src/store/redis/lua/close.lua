-- ARGV: 4 session id. Answers whether there was one.
return forget(ARGV[4])
