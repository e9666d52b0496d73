/**
 * A red-black tree with the nodes embedded in the objects (as Linux's lib/rbtree.c): the scheduler's time line.
 * A node must be in one tree at most. Insertion and removal are O(log n) and allocate nothing.
 */
export interface RbNode<T extends RbNode<T>> {
  rb_parent: T | null;
  rb_left: T | null;
  rb_right: T | null;
  rb_red: boolean;
}

export class RbTree<T extends RbNode<T>> {
  root: T | null = null;
  size = 0;

  /** @param less strict order; among equals the one inserted first comes first */
  insert(node: T, less: (a: T, b: T) => boolean): void {
    let parent: T | null = null;
    let at = this.root;
    let left = false;
    while (at !== null) {
      parent = at;
      left = less(node, at);
      at = left ? at.rb_left : at.rb_right;
    }
    node.rb_parent = parent;
    node.rb_left = node.rb_right = null;
    node.rb_red = true;
    if (parent === null) this.root = node;
    else if (left) parent.rb_left = node;
    else parent.rb_right = node;
    this.size++;
    this.balanceInsert(node);
  }

  first(): T | null {
    let node = this.root;
    if (node !== null) while (node.rb_left !== null) node = node.rb_left;
    return node;
  }

  next(node: T): T | null {
    if (node.rb_right !== null) {
      let at: T = node.rb_right;
      while (at.rb_left !== null) at = at.rb_left;
      return at;
    }
    let child: T = node;
    let parent = node.rb_parent;
    while (parent !== null && parent.rb_right === child) {
      child = parent;
      parent = parent.rb_parent;
    }
    return parent;
  }

  remove(node: T): void {
    this.size--;
    let hole: T | null; // the node that takes the removed one's place
    let parent: T | null; // its parent
    let red = node.rb_red;
    if (node.rb_left === null || node.rb_right === null) {
      hole = node.rb_left ?? node.rb_right;
      parent = node.rb_parent;
      this.replace(node, hole);
    } else {
      let heir: T = node.rb_right;
      while (heir.rb_left !== null) heir = heir.rb_left;
      red = heir.rb_red;
      hole = heir.rb_right;
      if (heir.rb_parent === node) {
        parent = heir;
      } else {
        parent = heir.rb_parent;
        this.replace(heir, hole);
        heir.rb_right = node.rb_right;
        heir.rb_right.rb_parent = heir;
      }
      this.replace(node, heir);
      heir.rb_left = node.rb_left;
      heir.rb_left.rb_parent = heir;
      heir.rb_red = node.rb_red;
    }
    node.rb_parent = node.rb_left = node.rb_right = null;
    if (!red) this.balanceRemove(hole, parent);
  }

  private replace(node: T, by: T | null): void {
    const parent = node.rb_parent;
    if (parent === null) this.root = by;
    else if (parent.rb_left === node) parent.rb_left = by;
    else parent.rb_right = by;
    if (by !== null) by.rb_parent = parent;
  }

  private rotateLeft(node: T): void {
    const right = node.rb_right!;
    node.rb_right = right.rb_left;
    if (right.rb_left !== null) right.rb_left.rb_parent = node;
    this.replace(node, right);
    right.rb_left = node;
    node.rb_parent = right;
  }

  private rotateRight(node: T): void {
    const left = node.rb_left!;
    node.rb_left = left.rb_right;
    if (left.rb_right !== null) left.rb_right.rb_parent = node;
    this.replace(node, left);
    left.rb_right = node;
    node.rb_parent = left;
  }

  private balanceInsert(start: T): void {
    let node = start;
    for (let parent = node.rb_parent; parent !== null && parent.rb_red; parent = node.rb_parent) {
      const grand = parent.rb_parent!;
      const onLeft = grand.rb_left === parent;
      const uncle: T | null = onLeft ? grand.rb_right : grand.rb_left;
      if (uncle !== null && uncle.rb_red) {
        parent.rb_red = uncle.rb_red = false;
        grand.rb_red = true;
        node = grand;
        continue;
      }
      if (onLeft) {
        if (parent.rb_right === node) {
          this.rotateLeft((node = parent));
          parent = node.rb_parent!;
        }
        parent.rb_red = false;
        grand.rb_red = true;
        this.rotateRight(grand);
      } else {
        if (parent.rb_left === node) {
          this.rotateRight((node = parent));
          parent = node.rb_parent!;
        }
        parent.rb_red = false;
        grand.rb_red = true;
        this.rotateLeft(grand);
      }
    }
    this.root!.rb_red = false;
  }

  /** `node` (or nil, below `parent`) carries one black too many. */
  private balanceRemove(start: T | null, above: T | null): void {
    let node = start;
    let parent = above;
    while (node !== this.root && (node === null || !node.rb_red)) {
      const onLeft = parent!.rb_left === node;
      let sibling: T = (onLeft ? parent!.rb_right : parent!.rb_left)!;
      if (sibling.rb_red) {
        sibling.rb_red = false;
        parent!.rb_red = true;
        if (onLeft) this.rotateLeft(parent!);
        else this.rotateRight(parent!);
        sibling = (onLeft ? parent!.rb_right : parent!.rb_left)!;
      }
      const near: T | null = onLeft ? sibling.rb_left : sibling.rb_right;
      let far: T | null = onLeft ? sibling.rb_right : sibling.rb_left;
      if ((near === null || !near.rb_red) && (far === null || !far.rb_red)) {
        sibling.rb_red = true;
        node = parent;
        parent = node!.rb_parent;
        continue;
      }
      if (far === null || !far.rb_red) {
        near!.rb_red = false;
        sibling.rb_red = true;
        if (onLeft) this.rotateRight(sibling);
        else this.rotateLeft(sibling);
        far = sibling;
        sibling = near!;
      }
      sibling.rb_red = parent!.rb_red;
      parent!.rb_red = false;
      far.rb_red = false;
      if (onLeft) this.rotateLeft(parent!);
      else this.rotateRight(parent!);
      node = this.root;
      break;
    }
    if (node !== null) node.rb_red = false;
  }
}
