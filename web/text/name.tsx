/** A name from outside. It may read from right to left, and turns nothing beside it. */
export const Name = ({ children }: { children: string }) => <bdi>{children}</bdi>;
