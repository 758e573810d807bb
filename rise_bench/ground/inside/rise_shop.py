"""Runs inside the sandbox: a small shop as an HTTP interface on loopback, its state one JSON file, read anew at each request.

What it offers is described in `rise_shop.json` (OpenAPI), and requests are checked against that description.
"""

import json
import os
import re
import sys
import typing
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

DESCRIPTION = Path(__file__).with_suffix(".json")
KINDS: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
}
Row = dict[str, typing.Any]
Data = dict[str, list[Row]]


class Refused(Exception):
    """A request that is not followed: the HTTP status, and why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def complaint(value: object, schema: Row, where: str) -> str:
    """Why the value does not fit the schema (the few words of JSON Schema that the description uses); empty if it does."""
    kind = schema["type"]
    if not isinstance(value, KINDS[kind]) or (isinstance(value, bool) and kind != "boolean"):
        return f"{where} must be of type {kind}"
    if "enum" in schema and value not in schema["enum"]:
        return f"{where} must be one of {', '.join(schema['enum'])}"
    if isinstance(value, int | float) and value < schema.get("minimum", value):
        return f"{where} must be at least {schema['minimum']}"
    if isinstance(value, str):
        return _text_complaint(value, schema, where)
    if isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            return f"{where} must not be empty"
        found = (complaint(item, schema["items"], f"{where}[{index}]") for index, item in enumerate(value))
        return next(filter(None, found), "")
    return _object_complaint(value, schema, where) if isinstance(value, dict) else ""


def _text_complaint(value: str, schema: Row, where: str) -> str:
    if len(value) < schema.get("minLength", 0):
        return f"{where} must not be empty"
    if not re.search(schema.get("pattern", ""), value):
        return f"{where} {value!r} does not look right"
    if schema.get("format") == "date":
        try:
            date.fromisoformat(value)
        except ValueError:
            return f"{where} {value!r} is no date of the form YYYY-MM-DD"
    return ""


def _object_complaint(value: Row, schema: Row, where: str) -> str:
    missing = [name for name in schema.get("required", ()) if name not in value]
    if missing:
        return f"{where} lacks {', '.join(missing)}"
    unknown = [name for name in value if name not in schema["properties"]]
    if unknown:
        return f"{where} has no field {', '.join(unknown)}"
    found = (complaint(part, schema["properties"][name], name) for name, part in value.items())
    return next(filter(None, found), "")


def one(data: Data, table: str, number: int) -> Row:
    """The row of a table with this id."""
    for row in data[table]:
        if row["id"] == number:
            return row
    raise Refused(404, f"there is no {table[:-1]} {number}")


def added(data: Data, table: str, row: Row) -> Row:
    """Append a row under the next id; the row with its id."""
    whole = {"id": max((known["id"] for known in data[table]), default=0) + 1, **row}
    data[table].append(whole)
    return whole


def unique(data: Data, table: str, field: str, value: str) -> None:
    """No other row may have this value already."""
    if any(row[field].casefold() == value.casefold() for row in data[table]):
        raise Refused(409, f"there is already a {table[:-1]} with {field} {value!r}")


def today() -> str:
    """The date, as the sandbox's clock has it."""
    return datetime.now(UTC).date().isoformat()


def not_past(day: str) -> None:
    """A delivery cannot be yesterday."""
    if day < today():
        raise Refused(422, f"delivery_date {day} is in the past")


def list_products(data: Data, given: Row) -> list[Row]:
    """Those that fit all that is given."""
    return [
        row
        for row in data["products"]
        if row["category"] == given.get("category", row["category"])
        and row["price"] <= given.get("max_price", row["price"])
        and (row["stock"] > 0) == given.get("in_stock", row["stock"] > 0)
        and given.get("search", "").casefold() in row["name"].casefold()
    ]


def add_product(data: Data, given: Row) -> Row:
    """A name is given once."""
    unique(data, "products", "name", given["name"])
    return added(data, "products", {"organic": False, **given})


def update(table: str, key: str) -> typing.Callable[[Data, Row], Row]:
    """Change the fields of a row that are given."""

    def change(data: Data, given: Row) -> Row:
        row = one(data, table, given.pop(key))
        row.update(given)
        return row

    return change


def remove_product(data: Data, given: Row) -> Row:
    """Only what nobody waits for."""
    row = one(data, "products", given["product_id"])
    for order in data["orders"]:
        if order["status"] in ("open", "packed") and row["id"] in [item["product_id"] for item in order["items"]]:
            raise Refused(409, f"product {row['id']} is in order {order['id']}, which is {order['status']}")
    data["products"].remove(row)
    return row


def list_customers(data: Data, given: Row) -> list[Row]:
    """Those that fit all that is given."""
    return [
        row
        for row in data["customers"]
        if row["town"] == given.get("town", row["town"])
        and given.get("search", "").casefold() in row["name"].casefold()
    ]


def add_customer(data: Data, given: Row) -> Row:
    """An address of e-mail is given once."""
    unique(data, "customers", "email", given["email"])
    return added(data, "customers", given)


def list_orders(data: Data, given: Row) -> list[Row]:
    """Those that fit all that is given."""
    return [row for row in data["orders"] if all(row[name] == value for name, value in given.items())]


def place_order(data: Data, given: Row) -> Row:
    """All of it or nothing: the stock must suffice for every item."""
    one(data, "customers", given["customer_id"])
    not_past(given["delivery_date"])
    lines: list[Row] = []
    for item in given["items"]:
        product = one(data, "products", item["product_id"])
        if product["stock"] < item["quantity"]:
            raise Refused(409, f"only {product['stock']} {product['unit']} of {product['name']} in stock")
        product["stock"] -= item["quantity"]
        lines.append({**item, "price": product["price"]})
    total = round(sum(line["price"] * line["quantity"] for line in lines), 2)
    row = {"customer_id": given["customer_id"], "items": lines, "total": total, "status": "open"}
    when = {"placed": today(), "delivery_date": given["delivery_date"]}
    return added(data, "orders", {**row, **when, "note": given.get("note", "")})


def update_order(data: Data, given: Row) -> Row:
    """Only one that is still to be delivered."""
    row = one(data, "orders", given.pop("order_id"))
    if row["status"] in ("delivered", "cancelled"):
        raise Refused(409, f"order {row['id']} is {row['status']}")
    if "delivery_date" in given:
        not_past(given["delivery_date"])
    row.update(given)
    return row


def cancel_order(data: Data, given: Row) -> Row:
    """What was ordered goes back into the stock."""
    row = one(data, "orders", given["order_id"])
    if row["status"] in ("delivered", "cancelled"):
        raise Refused(409, f"order {row['id']} is {row['status']}")
    for item in row["items"]:
        one(data, "products", item["product_id"])["stock"] += item["quantity"]
    row["status"] = "cancelled"
    return row


OPERATIONS: dict[str, typing.Callable[[Data, Row], Row | list[Row]]] = {
    "listProducts": list_products,
    "addProduct": add_product,
    "getProduct": lambda data, given: one(data, "products", given["product_id"]),
    "updateProduct": update("products", "product_id"),
    "removeProduct": remove_product,
    "listCustomers": list_customers,
    "addCustomer": add_customer,
    "getCustomer": lambda data, given: one(data, "customers", given["customer_id"]),
    "updateCustomer": update("customers", "customer_id"),
    "listOrders": list_orders,
    "placeOrder": place_order,
    "getOrder": lambda data, given: one(data, "orders", given["order_id"]),
    "updateOrder": update_order,
    "cancelOrder": cancel_order,
}


class Shop:
    """The description, and the file that holds the state."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.paths: dict[str, dict[str, Row]] = json.loads(DESCRIPTION.read_text(encoding="utf-8"))["paths"]

    def answer(self, method: str, target: str, body: bytes) -> tuple[int, object]:
        """HTTP status and JSON answer of one request; the file changes only if it is followed."""
        parts = urlsplit(target)
        operation, found = self._operation(method, parts.path)
        texts = {**found, **dict(parse_qsl(parts.query, keep_blank_values=True))}
        given = self._parameters(operation, texts) | self._body(operation, body)
        empty: Data = {"products": [], "customers": [], "orders": []}
        data = empty | json.loads(self.file.read_text(encoding="utf-8")) if self.file.is_file() else empty
        result = OPERATIONS[operation["operationId"]](data, given)
        if method != "GET":
            written = self.file.with_name(f"{self.file.name}.new")
            written.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            written.replace(self.file)
        return (201 if method == "POST" else 200), result

    def _operation(self, method: str, path: str) -> tuple[Row, dict[str, str]]:
        for pattern, operations in self.paths.items():
            match = re.fullmatch(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern), path.rstrip("/"))
            if match and method.lower() in operations:
                return operations[method.lower()], {name: unquote(text) for name, text in match.groupdict().items()}
        raise Refused(404, f"there is nothing at {method} {path}")

    def _parameters(self, operation: Row, texts: dict[str, str]) -> Row:
        """Parameters of path and query, which come as text, in the types of the description."""
        schemas = {parameter["name"]: parameter["schema"] for parameter in operation["parameters"]}
        given: Row = {}
        for name, text in texts.items():
            if name not in schemas:
                raise Refused(422, f"there is no parameter {name}")
            try:
                given[name] = text if schemas[name]["type"] == "string" else json.loads(text.lower())
            except ValueError:
                given[name] = text
            why = complaint(given[name], schemas[name], name)
            if why:
                raise Refused(422, why)
        return given

    def _body(self, operation: Row, body: bytes) -> Row:
        if "requestBody" not in operation:
            return {}
        try:
            given = json.loads(body or b"{}")
        except ValueError as error:
            raise Refused(422, "the body is no JSON") from error
        why = complaint(given, operation["requestBody"]["content"]["application/json"]["schema"], "the body")
        if why:
            raise Refused(422, why)
        assert isinstance(given, dict), "the schema wants an object"
        return given


def handler(shop: Shop) -> type[BaseHTTPRequestHandler]:
    """A handler that answers every request from the shop."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 30
        """Seconds after which a connection that says nothing no longer holds up the others."""

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                status, answer = shop.answer(self.command, self.path, body)
            except Refused as refused:
                status, answer = refused.status, {"error": str(refused)}
            text = json.dumps(answer, ensure_ascii=False).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PATCH = do_DELETE = _serve

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the tail of this stream is for what goes wrong."""

    return Handler


def main() -> None:
    """Arguments: the file that holds the state, which need not exist, and the port."""
    file, port = Path(sys.argv[1]), int(sys.argv[2])
    os.chdir(file.parent)
    HTTPServer(("127.0.0.1", port), handler(Shop(file))).serve_forever()


if __name__ == "__main__":
    main()
