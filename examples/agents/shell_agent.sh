#!/bin/sh
# An agent without a framework or an MCP library: JSON-RPC over HTTP with curl, the answer on standard output.
call() {
  curl -s "$RISE_MCP_URL" -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' \
    -d "{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"$1\", \"params\": $2}"
}
tools=$(call tools/list '{}' | grep -o '"name":"[^"]*"' | wc -l)
echo "You asked: $RISE_REQUEST"
echo "I have $tools tools and would rather ask: which one do you mean?"
