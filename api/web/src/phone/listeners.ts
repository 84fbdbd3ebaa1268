/** Listeners by event. One that throws keeps nobody else from hearing. */
export class Listeners<E extends string, T> {
  private readonly all = new Map<E, ((what?: T) => void)[]>();

  add(event: E, listener: (what?: T) => void): void {
    this.all.set(event, [...(this.all.get(event) ?? []), listener]);
  }

  tell(event: E, what?: T): void {
    for (const listener of this.all.get(event) ?? []) {
      try {
        listener(what);
      } catch (error) {
        console.error(error);
      }
    }
  }
}
