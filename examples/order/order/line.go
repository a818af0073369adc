package order

import "fmt"

// Line is an item on an order and how many of it.
type Line struct {
	ID          string `json:"id"` // names the line within its order; whoever adds it chooses
	SKU         string `json:"sku"`
	Description string `json:"description,omitempty"`
	Quantity    int    `json:"quantity"`
	Price       Money  `json:"price"` // of one
}

// maxQuantity keeps amounts far from the end of the integers.
const maxQuantity = 1_000_000

// Amount returns what the line costs.
func (l Line) Amount() Money { return l.Price * Money(l.Quantity) }

// String returns the line as in "6 x 22485 SET OF MARKET CRATES at 4.95".
func (l Line) String() string {
	item := l.SKU
	if l.Description != "" {
		item += " " + l.Description
	}
	return fmt.Sprintf("%d x %s at %v", l.Quantity, item, l.Price)
}

func (l Line) isSold() bool     { return l.Quantity > 0 }
func (l Line) isRemoved() bool  { return l.Quantity == 0 }
func (l Line) isReturned() bool { return l.Quantity < 0 }

func (l Line) check() error {
	switch {
	case l.SKU == "":
		return ErrNoSKU
	case l.Quantity < 1:
		return fmt.Errorf("%w: %d", ErrQuantity, l.Quantity)
	case l.Quantity > maxQuantity:
		return fmt.Errorf("%w: %d", ErrTooMany, l.Quantity)
	case l.Price <= 0:
		return fmt.Errorf("%w: %v", ErrPrice, l.Price)
	default:
		return nil
	}
}
