"""What was found to be wrong, and what was looked at."""


class Findings:
    """Collects findings; each says where, what is wrong, and what would be right."""

    def __init__(self) -> None:
        self.wrong: list[str] = []

    def add(self, where: str, what: str, right: str = "") -> None:
        line = f"{where}: {what}" + (f"\n    right would be: {right}" if right else "")
        if line not in self.wrong:
            self.wrong.append(line)
            print(f"  WRONG {line}", flush=True)

    @staticmethod
    def note(text: str) -> None:
        print(f"  {text}", flush=True)

    @staticmethod
    def title(text: str) -> None:
        print(f"\n--- {text}", flush=True)
