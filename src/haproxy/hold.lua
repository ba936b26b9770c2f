-- Lets a request wait while its service has no server, so that it may grow from none: HAProxy's own queue is for servers
-- that are busy, and with no server at all it answers 503 at once. Asked ten times a second; after the given number of
-- tenths of a second the request goes on to that 503. In a worker that a reload replaced it goes on at once: to the worker
-- that has taken its place.
core.register_action("hold", { "http-req", "tcp-req" }, function(txn, tenths)
  for _ = 1, tonumber(tenths) do
    if txn.f:nbsrv() > 0 or txn.f:stopping() == 1 then return end
    core.msleep(100)
  end
end, 1)
