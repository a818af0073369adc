package order

// Refusal is the reason why an order refused a command. It tells a rule of the business, which a caller shows to its
// user, from a database that is down, which it does not.
type Refusal string

// Error implements error.
func (r Refusal) Error() string { return string(r) }

// What an order refuses. errors.Is finds them: some are wrapped with the details.
const (
	ErrStatus     Refusal = "the order's status does not allow it"
	ErrNoCountry  Refusal = "no country"
	ErrNoAddress  Refusal = "an address is a customer's number, a name and a street"
	ErrNoSKU      Refusal = "no stock code"
	ErrQuantity   Refusal = "the quantity is not positive"
	ErrTooMany    Refusal = "the quantity is above a million"
	ErrPrice      Refusal = "the price is not positive"
	ErrNoSuchLine Refusal = "no such line on the order"
	ErrMixed      Refusal = "an order either sells goods or takes them back"
	ErrAmount     Refusal = "the amount is not what is to be paid"
)
