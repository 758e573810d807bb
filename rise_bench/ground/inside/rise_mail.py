"""Runs inside the sandbox: a mailbox over IMAP (Dovecot) and an outbox over SMTP, both on loopback."""

import asyncio
import email
import email.policy
import grp
import json
import os
import pwd
import sys
from pathlib import Path

USER, ADDRESS, NAME = "robin", "robin@example.org", "Robin Sommer"
FOLDERS = {"Archive": "Archive", "Drafts": "Drafts", "Junk": "Junk", "Sent": "Sent", "Trash": "Trash"}
TAGS = {"urgent": "urgent", "waiting": "waiting", "invoice": "invoice"}

DOVECOT = """\
base_dir = {work}/run
state_dir = {work}/state
log_path = /dev/stderr
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
default_internal_user = {account}
default_internal_group = {group}
default_login_user = {account}
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:{work}/mail
mail_fsync = never
maildir_stat_dirs = no
service imap-login {{
  chroot =
  process_min_avail = 1
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={work}
}}
namespace inbox {{
  inbox = yes
  separator = /
{folders}}}
"""


def main() -> None:
    """Arguments: the sandbox, the IMAP port (SMTP is the next one) and the path of Dovecot."""
    root, port, dovecot = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    work = root / ".mail"
    for part in ("run", "state", "mail"):
        (work / part).mkdir(parents=True, exist_ok=True)
    _import(root / "mailbox", work / "mail")
    (work / "config.toml").write_text(_settings(port), encoding="utf-8")
    (work / "dovecot.conf").write_text(_dovecot(work, port), encoding="utf-8")
    if os.fork() == 0:
        os.execv(dovecot, [dovecot, "-F", "-c", str(work / "dovecot.conf")])
    asyncio.run(_serve(root / "outbox", port + 1))


def _dovecot(work: Path, port: int) -> str:
    uid, gid = os.getuid(), os.getgid()
    lines = [
        f"  mailbox {name} {{\n    auto = subscribe\n    special_use = \\{use}\n  }}\n" for name, use in FOLDERS.items()
    ]
    account, group = pwd.getpwuid(uid).pw_name, grp.getgrgid(gid).gr_name
    return DOVECOT.format(work=work, port=port, uid=uid, gid=gid, account=account, group=group, folders="".join(lines))


def _settings(port: int) -> str:
    """The MCP server's configuration: one account, with tags that may be set."""

    def server(port: int) -> list[str]:
        login = [f'user_name = "{USER}"', f'password = "{USER}"', 'host = "127.0.0.1"', f"port = {port}"]
        return [*login, "use_ssl = false", "start_ssl = false", "verify_ssl = false"]

    lines = ['credential_storage = "plaintext"', 'allowed_recipients = ["*"]', "enable_attachment_download = true"]
    lines += ["enable_attachment_content = true", "", "[[emails]]", 'account_name = "office"', f'full_name = "{NAME}"']
    lines += [f'email_address = "{ADDRESS}"', "save_to_sent = true"]
    lines += ["", "[emails.incoming]", *server(port), "", "[emails.outgoing]", *server(port + 1)]
    for name, keyword in TAGS.items():
        lines += ["", "[[emails.tags]]", f'name = "{name}"', f'keyword = "{keyword}"', "writable = true"]
    return "\n".join(lines) + "\n"


def _import(source: Path, target: Path) -> None:
    """Put the messages of `mailbox/FOLDER/*.eml`, in order of their names, into the mailbox."""
    for path in sorted(source.rglob("*.eml")):
        folder = path.parent.relative_to(source).as_posix()
        box = target if folder == "INBOX" else target / ("." + folder.replace("/", "."))
        for part in ("cur", "new", "tmp"):
            (box / part).mkdir(parents=True, exist_ok=True)
        data = path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        flags = "S" if path.name.endswith(".seen.eml") else ""
        place = box / "cur" / f"{int(path.stat().st_mtime)}.{len(list((box / 'cur').iterdir())):04}.sandbox:2,{flags}"
        place.write_bytes(data)


async def _serve(outbox: Path, port: int) -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _session(reader, writer, outbox)

    server = await asyncio.start_server(client, "127.0.0.1", port, limit=64 * 1024 * 1024)
    await server.serve_forever()


async def _session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, outbox: Path) -> None:
    """One SMTP session; every message is taken, none is delivered."""
    recipients: list[str] = []
    writer.write(b"220 sandbox ESMTP\r\n")
    while line := await reader.readline():
        text = line.decode("utf-8", "replace").strip()
        verb = text[:4].upper()
        if verb == "EHLO":
            writer.write(b"250-sandbox\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 AUTH PLAIN LOGIN\r\n")
        elif verb == "AUTH":
            if len(text.split()) < 3:
                writer.write(b"334 \r\n")
                await reader.readline()
                if "LOGIN" in text.upper():
                    writer.write(b"334 \r\n")
                    await reader.readline()
            writer.write(b"235 ok\r\n")
        elif verb == "RCPT":
            recipients.append(text.partition(":")[2].partition(">")[0].strip(" <"))
            writer.write(b"250 ok\r\n")
        elif verb == "DATA":
            writer.write(b"354 go on\r\n")
            lines = []
            while (part := await reader.readline()) not in (b".\r\n", b""):
                lines.append(part[1:] if part.startswith(b"..") else part)
            _keep(b"".join(lines), recipients, outbox)
            recipients = []
            writer.write(b"250 taken\r\n")
        elif verb == "QUIT":
            writer.write(b"221 bye\r\n")
            break
        else:
            recipients = [] if verb in ("MAIL", "RSET") else recipients
            writer.write(b"250 ok\r\n")
        await writer.drain()
    writer.close()


def _keep(data: bytes, recipients: list[str], outbox: Path) -> None:
    """Write what was sent as JSON, one file a message, numbered in order."""
    message = email.message_from_bytes(data, policy=email.policy.default)
    body = message.get_body(("plain", "html"))
    fields = {
        "from": message["From"],
        "to": message["To"],
        "cc": message["Cc"],
        "recipients": sorted(recipients),
        "subject": message["Subject"],
        "in_reply_to": message["In-Reply-To"],
        "body": body.get_content().replace("\r\n", "\n") if body else "",
        "attachments": [part.get_filename() for part in message.iter_attachments()],
        "message_id": message["Message-ID"],
    }
    outbox.mkdir(exist_ok=True)
    number = len(list(outbox.iterdir())) + 1
    text = json.dumps(
        {key: value and (value if isinstance(value, list) else str(value)) for key, value in fields.items()}, indent=1
    )
    (outbox / f"{number:04}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
